/* dates: converting Python's dates and durations to ticks of a unit, as NumPy does. */
#ifndef GROWBUF_DATES_H
#define GROWBUF_DATES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

/* The unit of a datetime64 or timedelta64. */
struct dates_unit {
    int64_t per_day; /* ticks in a day; 0 if a tick is longer, or the unit unknown */
    char calendar;   /* 'Y', 'M' or 'W': years, months, weeks; else 0 */
};

/* Import the C API of the module datetime. -1 comes with an exception. */
int dates_init(void);

/* Return the unit that NumPy calls `name`. If it is unknown, the functions below return
 * false for the unit. */
struct dates_unit dates_unit_named(const char *name);

/* dates_read() counts the ticks from 1970 to a date, or to a datetime without a time
 * zone. dates_read_duration() counts the ticks of a timedelta. Both return false for
 * objects of other types, subclasses included, and if the ticks do not fit. */
bool dates_read(const struct dates_unit *unit, PyObject *item, int64_t *ticks);
bool dates_read_duration(const struct dates_unit *unit, PyObject *item, int64_t *ticks);

#endif
