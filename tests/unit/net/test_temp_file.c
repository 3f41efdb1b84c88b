#include "support/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/temp_file.h"

/* Files in a folder of the test's own; creating and writing them fails when the test says so. */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __real_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode);
ssize_t __real_pwrite64(int fd, const void *bytes, size_t len, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t offset);
int __real_close(int fd);
int __wrap_close(int fd);

static struct cd_loop loop;
static struct cd_temp_file *file;
static struct cd_error error;
static char folder[] = "/tmp/cardea-test-XXXXXX";
static bool no_thread, is_slow;
static int open_errno;  /* of files without a name; 0: none */
static off_t disk_size; /* bytes that the disk has room for */
static size_t most;     /* bytes that are written at a time */
static unsigned interrupted;
static atomic_int last_fd = -1; /* an earlier file may still be closed on its thread */
static sem_t began, go, closed;
static unsigned written, failed;
static char read_bytes[4096];
static ssize_t read_len; /* -1: no answer yet */
static bool frees;       /* the event frees the file */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
        return no_thread ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

int __wrap_open64(const char *path, int flags, mode_t mode)
{
        assert_string_equal(path, folder);
        errno = open_errno;
        return open_errno ? -1 : __real_open64(path, flags, mode);
}

ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
        last_fd = fd;
        if (is_slow) {
                sem_post(&began);
                sem_wait(&go);
        }
        if (interrupted > 0) {
                interrupted--;
                errno = EINTR;
                return -1;
        }
        if (offset >= disk_size) {
                errno = ENOSPC;
                return -1;
        }
        len = len < most ? len : most;
        return __real_pwrite64(fd, bytes, offset + (off_t)len <= disk_size ? len : (size_t)(disk_size - offset),
                               offset);
}

int __wrap_close(int fd)
{
        if (fd == last_fd)
                sem_post(&closed);
        return __real_close(fd);
}

static void free_file(void)
{
        cd_temp_file_free(file);
        file = NULL;
}

static void on_written(struct cd_temp_file *of)
{
        assert_ptr_equal(of, file);
        assert_ptr_equal(cd_temp_file_owner(of), &written);
        written++;
        if (frees)
                free_file();
}

static void on_read(struct cd_temp_file *of, cd_str bytes)
{
        assert_ptr_equal(of, file);
        assert_true(bytes.len <= sizeof(read_bytes));
        if (bytes.len)
                memcpy(read_bytes, bytes.ptr, bytes.len);
        read_len = (ssize_t)bytes.len;
}

static void on_failed(struct cd_temp_file *of)
{
        assert_ptr_equal(of, file);
        failed++;
        if (frees)
                free_file();
}

static const struct cd_temp_file_events events = { .written = on_written, .read = on_read, .failed = on_failed };

static void new_file(int64_t max)
{
        assert_non_null(file = cd_temp_file_new(&loop, max, &events, &written));
}

static int set_up(void **state)
{
        (void)state;
        no_thread = is_slow = frees = false;
        open_errno = 0;
        disk_size = 1024 * 1024;
        most = SIZE_MAX;
        interrupted = written = failed = 0;
        while (sem_trywait(&closed) == 0)
                ;
        if (cd_loop_init(&loop, NULL, NULL, &error) != CD_OK)
                return -1;
        new_file(100);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_temp_file_free(file);
        assert_int_equal(loop.job_count, 0);
        cd_loop_done(&loop);
        return 0;
}

static void wait_for(const unsigned *count, unsigned value)
{
        while (*count < value)
                uv_run(&loop.uv, UV_RUN_ONCE);
        assert_int_equal(*count, value);
}

static void write_text(const char *text)
{
        assert_status(cd_temp_file_write(file, cd_str_from_c(text), &error), CD_OK);
}

static void expect_read(int64_t offset, size_t len, const char *expected)
{
        read_len = -1;
        assert_status(cd_temp_file_read(file, offset, len, &error), CD_OK);
        assert_int_equal(read_len, -1);
        while (read_len < 0)
                uv_run(&loop.uv, UV_RUN_ONCE);
        assert_str(cd_str_of(read_bytes, (size_t)read_len), expected);
}

static void expect_no_name(void)
{
        DIR *dir = opendir(folder);

        assert_non_null(dir);
        for (struct dirent *entry; (entry = readdir(dir));)
                assert_true(entry->d_name[0] == '.');
        closedir(dir);
}

static void expect_failure(const char *reason)
{
        char expected[256];

        wait_for(&failed, 1);
        assert_int_equal(written, 0);
        snprintf(expected, sizeof(expected), reason, folder);
        assert_string_equal(cd_temp_file_error(file), expected);
}

/* ---- bytes ---- */

static void what_is_written_is_read(void **state)
{
        struct stat details;

        (void)state;
        write_text("0123456789");
        assert_int_equal(written, 0);
        wait_for(&written, 1);
        write_text("abc");
        wait_for(&written, 2);
        assert_int_equal(cd_temp_file_size(file), 13);
        expect_read(0, 5, "01234");
        expect_read(5, 5, "56789");
        expect_read(10, 3, "abc");
        expect_read(8, 100, "89abc");
        expect_read(13, 100, "");
        write_text("d");
        wait_for(&written, 3);
        expect_read(9, 100, "9abcd");
        expect_no_name();
        assert_int_equal(fstat(last_fd, &details), 0);
        assert_int_equal(details.st_mode & 07777, 0600);
        assert_int_equal(fcntl(last_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(failed, 0);
}

static void nothing_may_be_written_and_read(void **state)
{
        (void)state;
        write_text("");
        wait_for(&written, 1);
        expect_read(0, 10, "");
        free_file();
        new_file(100);
        expect_read(0, 10, "");
}

static void writes_that_are_partial_or_interrupted_go_on(void **state)
{
        (void)state;
        most = 3;
        interrupted = 2;
        write_text("0123456789");
        wait_for(&written, 1);
        expect_read(0, 100, "0123456789");
}

static void what_comes_during_a_write_follows_it(void **state)
{
        (void)state;
        is_slow = true;
        write_text("first ");
        sem_wait(&began);
        write_text("second ");
        write_text("third");
        is_slow = false;
        sem_post(&go);
        wait_for(&written, 1); /* one event for all */
        expect_read(0, 100, "first second third");
}

/* ---- limits and failures ---- */

static void a_file_has_its_limit_and_no_byte_more(void **state)
{
        char text[101];

        (void)state;
        memset(text, 'x', sizeof(text));
        assert_status(cd_temp_file_write(file, cd_str_of(text, 101), &error), CD_TOO_LARGE);
        assert_string_equal(error.reason, "more than 100 bytes");
        assert_int_equal(cd_temp_file_size(file), 0);
        assert_status(cd_temp_file_write(file, cd_str_of(text, 100), &error), CD_OK);
        assert_status(cd_temp_file_write(file, cd_str_of(text, 1), &error), CD_TOO_LARGE);
        wait_for(&written, 1);
        assert_status(cd_temp_file_write(file, cd_str_of(text, 1), &error), CD_TOO_LARGE);
        assert_int_equal(cd_temp_file_size(file), 100);
}

static void a_full_disk_is_told(void **state)
{
        (void)state;
        disk_size = 5;
        write_text("01234");
        wait_for(&written, 1);
        written = 0;
        write_text("5");
        expect_failure("cannot write a temporary file: No space left on device");
        free_file();
        new_file(100);
        failed = 0;
        frees = true;
        write_text("012345"); /* of which some has room */
        wait_for(&failed, 1);
        assert_null(file);
}

static void a_folder_that_cannot_be_used_is_named(void **state)
{
        (void)state;
        open_errno = EROFS;
        write_text("x");
        expect_failure("cannot create a temporary file in %s: Read-only file system");
}

static void not_every_file_system_has_files_without_a_name(void **state)
{
        static const int errors[] = { EOPNOTSUPP, EISDIR, ENOENT };

        (void)state;
        for (size_t i = 0; i < CD_LEN(errors); i++) {
                open_errno = errors[i];
                write_text("bytes");
                wait_for(&written, (unsigned)i + 1);
                expect_read(0, 100, "bytes");
                expect_no_name();
                free_file();
                new_file(100);
        }
}

static void lesson_33_without_a_thread_it_fails_at_once(void **state)
{
        (void)state;
        /* The threads of earlier tests end first. */
        for (no_thread = true; cd_temp_file_write(file, CD_STR(""), &error) == CD_OK; written = 0)
                wait_for(&written, 1);
        assert_string_equal(error.reason, "no thread for a temporary file");
        assert_status(cd_temp_file_read(file, 0, 10, &error), CD_NO_MEMORY);
        free_file();
        no_thread = false;
        new_file(100);
        write_text("x");
        wait_for(&written, 1);
}

/* ---- the end ---- */

static void a_file_is_closed_when_it_is_freed(void **state)
{
        (void)state;
        write_text("x");
        wait_for(&written, 1);
        free_file();
        sem_wait(&closed);
        new_file(100);
        frees = true;
        write_text("x");
        wait_for(&written, 2);
        assert_null(file);
        sem_wait(&closed);
        cd_temp_file_free(NULL);
}

static void a_file_may_be_freed_while_it_is_written(void **state)
{
        (void)state;
        is_slow = true;
        write_text("x");
        sem_wait(&began);
        free_file();
        cd_loop_done(&loop);
        memset(&loop, 0xff, sizeof(loop));
        sem_post(&go);
        sem_wait(&closed);
        assert_status(cd_loop_init(&loop, NULL, NULL, &error), CD_OK);
        assert_int_equal(written, 0);
}

static int make_folder(void **state)
{
        (void)state;
        sem_init(&began, 0, 0);
        sem_init(&go, 0, 0);
        sem_init(&closed, 0, 0);
        return mkdtemp(folder) && setenv("TMPDIR", folder, 1) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
        (void)state;
        return rmdir(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_is_written_is_read),
                TEST(nothing_may_be_written_and_read),
                TEST(writes_that_are_partial_or_interrupted_go_on),
                TEST(what_comes_during_a_write_follows_it),
                TEST(a_file_has_its_limit_and_no_byte_more),
                TEST(a_full_disk_is_told),
                TEST(a_folder_that_cannot_be_used_is_named),
                TEST(not_every_file_system_has_files_without_a_name),
                TEST(lesson_33_without_a_thread_it_fails_at_once),
                TEST(a_file_is_closed_when_it_is_freed),
                TEST(a_file_may_be_freed_while_it_is_written),
        };
        return cmocka_run_group_tests_name("net/temp_file", tests, make_folder, remove_folder);
}
