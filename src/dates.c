/* dates: converting Python's dates and durations to ticks of a unit. */

#include "dates.h"

#include <datetime.h>
#include <string.h>

int
dates_init(void)
{
    PyDateTime_IMPORT;
    return PyDateTimeAPI == NULL ? -1 : 0;
}

enum { MONTHS = 12, DAYS_IN_WEEK = 7, SECONDS_IN_DAY = 86400, MICROSECONDS = 1000000 };
#define MICROSECONDS_IN_DAY ((int64_t)SECONDS_IN_DAY * MICROSECONDS)

static const struct {
    const char *name;
    int64_t per_day;
    char calendar;
} units[] = {
    {"Y", 0, 'Y'},
    {"M", 0, 'M'},
    {"W", 0, 'W'},
    {"D", 1, 0},
    {"h", 24, 0},
    {"m", 24 * 60, 0},
    {"s", SECONDS_IN_DAY, 0},
    {"ms", (int64_t)SECONDS_IN_DAY * 1000, 0},
    {"us", (int64_t)SECONDS_IN_DAY * MICROSECONDS, 0},
    {"ns", (int64_t)SECONDS_IN_DAY * MICROSECONDS * 1000, 0},
};

struct dates_unit
dates_unit_named(const char *name)
{
    struct dates_unit unit = {0, 0};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(units[i].name, name) == 0) {
            unit = (struct dates_unit){units[i].per_day, units[i].calendar};
        }
    }
    return unit;
}

/* Return the days from 1970-01-01 to a day of the Gregorian calendar. A year begins in
 * March here, so that its last day is the leap day. */
static int64_t
days_since_1970(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1; /* 0 or more, as year is 1 or more */
    int64_t m = month > 2 ? month - 3 : month + 9;
    int64_t leap_days = y / 4 - y / 100 + y / 400;
    enum { DAYS_TO_1970 = 719468 }; /* from 0000-03-01 */
    return 365 * y + leap_days + (153 * m + 2) / 5 + day - 1 - DAYS_TO_1970;
}

/* Convert days and a time of day to ticks. Round down, as NumPy does. Return false if
 * the ticks do not fit. */
static bool
ticks_of(const struct dates_unit *unit, int64_t days, int64_t microseconds,
         int64_t *ticks)
{
    if (unit->calendar == 'W') {
        *ticks = (days >= 0 ? days : days - (DAYS_IN_WEEK - 1)) / DAYS_IN_WEEK;
        return true;
    }
    if (unit->per_day == 0 || days > INT64_MAX / unit->per_day - 1 ||
        days < INT64_MIN / unit->per_day + 1) {
        return false;
    }
    assert(microseconds >= 0 && microseconds < MICROSECONDS_IN_DAY);
    int64_t of_day = unit->per_day > MICROSECONDS_IN_DAY
                         ? microseconds * (unit->per_day / MICROSECONDS_IN_DAY)
                         : microseconds / (MICROSECONDS_IN_DAY / unit->per_day);
    *ticks = days * unit->per_day + of_day;
    return true;
}

bool
dates_read(const struct dates_unit *unit, PyObject *item, int64_t *ticks)
{
    int64_t seconds = 0, microseconds = 0;
    if (PyDateTime_CheckExact(item)) {
        if (PyDateTime_DATE_GET_TZINFO(item) != Py_None) {
            return false;
        }
        seconds = PyDateTime_DATE_GET_HOUR(item) * 3600 +
                  PyDateTime_DATE_GET_MINUTE(item) * 60 +
                  PyDateTime_DATE_GET_SECOND(item);
        microseconds = PyDateTime_DATE_GET_MICROSECOND(item);
    }
    else if (!PyDate_CheckExact(item)) {
        return false;
    }
    int year = PyDateTime_GET_YEAR(item), month = PyDateTime_GET_MONTH(item);
    switch (unit->calendar) {
    case 'Y':
        *ticks = year - 1970;
        return true;
    case 'M':
        *ticks = (year - 1970) * MONTHS + month - 1;
        return true;
    default:
        return ticks_of(unit, days_since_1970(year, month, PyDateTime_GET_DAY(item)),
                        seconds * MICROSECONDS + microseconds, ticks);
    }
}

bool
dates_read_duration(const struct dates_unit *unit, PyObject *item, int64_t *ticks)
{
    if (!PyDelta_CheckExact(item)) {
        return false;
    }
    int64_t seconds = PyDateTime_DELTA_GET_SECONDS(item);
    return ticks_of(unit, PyDateTime_DELTA_GET_DAYS(item),
                    seconds * MICROSECONDS + PyDateTime_DELTA_GET_MICROSECONDS(item),
                    ticks);
}
