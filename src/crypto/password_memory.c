#include "crypto/password_memory.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#include "base/secret.h"

#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif

#if __SIZEOF_POINTER__ == 8 && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&                      \
        !HAS_FEATURE(address_sanitizer) && !HAS_FEATURE(thread_sanitizer) && !HAS_FEATURE(memory_sanitizer)

enum {
        FIRST_BLOCKS = 2048 /* bytes; the two that follow from the password without any memory */
};

static _Thread_local struct {
        void *memory;
        size_t size;
        bool is_on, is_lent;
} kept;

static once_flag once = ONCE_FLAG_INIT;
static tss_t at_thread_end;
static bool has_thread_end;

static void release(void *unused)
{
        (void)unused;
        if (kept.memory)
                syscall(SYS_munmap, kept.memory, kept.size);
        kept.memory = NULL;
        kept.size = 0;
}

static void make_thread_end(void)
{
        has_thread_end = tss_create(&at_thread_end, release) == thrd_success;
}

static void *map(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
        return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

/* Whether this thread has `size` bytes to lend now. */
static bool keep(size_t size)
{
        if (kept.size >= size)
                return true;
        call_once(&once, make_thread_end);
        if (size > CD_PASSWORD_MEMORY_KEPT_MAX || !has_thread_end || tss_set(at_thread_end, &kept) != thrd_success)
                return false;
        release(NULL);
        void *memory = map(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
                return false;
        madvise(memory, size, MADV_HUGEPAGE);
        madvise(memory, size, MADV_DONTDUMP);
        kept.memory = memory;
        kept.size = size;
        return true;
}

/* These two stand in for libc's in the whole program, as far as shared libraries call them; all that is not libsodium's goes on to
 * the kernel. */
void *answer_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) __asm__("mmap");
int answer_munmap(void *at, size_t size) __asm__("munmap");

void *answer_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
        if (!kept.is_on || kept.is_lent || at || fd != -1 || !keep(size))
                return map(at, size, protection, flags, fd, offset);
        kept.is_lent = true;
        return kept.memory;
}

int answer_munmap(void *at, size_t size)
{
        if (!kept.is_lent || at != kept.memory)
                return (int)syscall(SYS_munmap, at, size);
        kept.is_lent = false;
        return 0;
}

void cd_password_memory_begin(void)
{
        kept.is_on = true;
}

void cd_password_memory_end(void)
{
        kept.is_on = false;
        cd_wipe(kept.memory, kept.size < FIRST_BLOCKS ? kept.size : FIRST_BLOCKS);
}

size_t cd_password_memory_kept(void)
{
        return kept.size;
}

#else

void cd_password_memory_begin(void)
{
}

void cd_password_memory_end(void)
{
}

size_t cd_password_memory_kept(void)
{
        return 0;
}

#endif
