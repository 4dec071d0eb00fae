/* dates: Python's dates and durations as ticks of a unit, as NumPy counts them. */
#ifndef GROWBUF_DATES_H
#define GROWBUF_DATES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

/* The unit of a datetime64 or timedelta64. */
struct dates_unit {
    int64_t per_day; /* ticks in a day; 0: no number of them */
    char calendar;   /* 'Y', 'M' or 'W': years, months, weeks; else 0 */
};

/* Make the datetime types known. -1 comes with an exception. */
int dates_init(void);

/* Return the unit of a name that NumPy gives it. One that is not known counts nothing. */
struct dates_unit dates_unit_named(const char *name);

/* Count the ticks from 1970 to a date, or to a datetime without a time zone; those of a
 * timedelta. Return false for objects of other types, and for what does not fit. */
bool dates_read(const struct dates_unit *unit, PyObject *item, int64_t *ticks);
bool dates_read_duration(const struct dates_unit *unit, PyObject *item, int64_t *ticks);

#endif
