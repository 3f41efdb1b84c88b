#include "support/check.h"

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#include "base/library.h"

/* Of the C library, so it is on every machine, and this program is not linked to it. */
#define FILE_NAME "libm.so.6"

static struct {
        double (*cos)(double);
        double (*sin)(double);
} libm;
static const struct cd_library_function functions[] = { { "cos", &libm.cos }, { "sin", &libm.sin } };

static void it_is_loaded_when_it_is_needed(void **state)
{
        struct cd_library library = CD_LIBRARY(FILE_NAME, "libc6", functions);
        struct cd_error err = { 0 };

        (void)state;
        assert_null(libm.cos);
        assert_int_equal(cd_library_load(&library, &err), CD_OK);
        assert_true(libm.cos(0) > 0.99 && libm.sin(0) < 0.01);
        libm.cos = NULL; /* a second call has nothing to do */
        assert_int_equal(cd_library_load(&library, NULL), CD_OK);
        assert_null(libm.cos);
}

static void a_missing_library_is_named_with_its_package(void **state)
{
        struct cd_library library = CD_LIBRARY("libnowhere.so.7", "libnowhere7", functions);
        struct cd_error err = { 0 };

        (void)state;
        for (int i = 0; i < 2; i++) {
                assert_int_equal(cd_library_load(&library, &err), CD_UNAVAILABLE);
                assert_string_equal(err.reason, "libnowhere.so.7: cannot open shared object file: No such file or "
                                                "directory; it is in the package libnowhere7");
        }
        assert_int_equal(cd_library_load(&library, NULL), CD_UNAVAILABLE);
}

static void a_library_without_one_of_the_functions_is_refused(void **state)
{
        static double (*cosine)(double);
        static void (*unknown)(void);
        static const struct cd_library_function asked[] = { { "cos", &cosine }, { "cd_no_such", &unknown } };
        struct cd_library library = CD_LIBRARY(FILE_NAME, "libc6", asked);
        struct cd_error err = { 0 };

        (void)state;
        for (int i = 0; i < 2; i++) {
                assert_int_equal(cd_library_load(&library, &err), CD_UNAVAILABLE);
                assert_string_equal(err.reason,
                                    FILE_NAME " has no cd_no_such; it is too old, update the package libc6");
        }
}

static void a_failure_that_passes_is_tried_again(void **state)
{
        struct cd_library library = { .file = "libanl.so.1", .package = "libc6" };
        struct rlimit before, none;
        struct cd_error err = { 0 };

        (void)state;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        cd_status status = cd_library_load(&library, &err);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(status, CD_UNAVAILABLE);
        assert_non_null(strstr(err.reason, "libanl.so.1"));
        assert_int_equal(cd_library_load(&library, &err), CD_OK);
}

static void *load_and_call(void *arg)
{
        static double zero;

        return cd_library_load(arg, NULL) == CD_OK && libm.cos(zero) > 0.99 ? arg : NULL;
}

static void many_threads_may_load_it_at_once(void **state)
{
        struct cd_library library = CD_LIBRARY(FILE_NAME, "libc6", functions);
        pthread_t threads[8];
        void *result;

        (void)state;
        for (size_t i = 0; i < CD_LEN(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, load_and_call, &library), 0);
        for (size_t i = 0; i < CD_LEN(threads); i++) {
                assert_int_equal(pthread_join(threads[i], &result), 0);
                assert_ptr_equal(result, &library);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_is_loaded_when_it_is_needed),
                cmocka_unit_test(a_missing_library_is_named_with_its_package),
                cmocka_unit_test(a_library_without_one_of_the_functions_is_refused),
                cmocka_unit_test(a_failure_that_passes_is_tried_again),
                cmocka_unit_test(many_threads_may_load_it_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
