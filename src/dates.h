/* dates: converting Python's dates and durations to ticks of a unit, as NumPy does. */
#ifndef GROWBUF_DATES_H
#define GROWBUF_DATES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

/* The unit of a datetime64 or timedelta64. */
struct dates_unit {
    int64_t per_day; /* ticks in a day; 0 if that is no whole number */
    char calendar;   /* 'Y', 'M' or 'W': years, months, weeks; else 0 */
};

/* Import the C API of the module datetime. -1 comes with an exception. */
int dates_init(void);

/* Return the unit that NumPy calls `name`. Nothing converts to an unknown unit. */
struct dates_unit dates_unit_named(const char *name);

/* Count the ticks from 1970 to a date or to a datetime without a time zone, or the
 * ticks of a timedelta. Return false for objects of other types, and if the ticks do
 * not fit. */
bool dates_read(const struct dates_unit *unit, PyObject *item, int64_t *ticks);
bool dates_read_duration(const struct dates_unit *unit, PyObject *item, int64_t *ticks);

#endif
