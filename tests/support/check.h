#pragma once
/* cmocka, and the assertions shared by the tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"

#define assert_status(expression, expected) assert_int_equal((int)(expression), (int)(expected))

/* Compares a cd_str with a literal, and prints both if they differ. */
#define assert_str(actual, literal) check_str((actual), (literal), __FILE__, __LINE__)

static inline void check_str(cd_str actual, const char *expected, const char *file, int line)
{
        if (cd_str_eq(actual, cd_str_from_c(expected)))
                return;
        print_error("\"%.*s\" is not \"%s\"\n", CD_STR_ARG(actual), expected);
        _fail(file, line);
}
