#include "crypto/password_memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>
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
        /* bytes; the two first blocks can be computed from the password without the rest of the memory */
        FIRST_BLOCKS = 2048
};

/* For this thread. */
static _Thread_local struct {
        void *memory;
        size_t size;
        bool keeps, is_on, is_lent;
} own;

static void *map(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
        return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

static void give_back(void)
{
        if (own.memory)
                syscall(SYS_munmap, own.memory, own.size);
        own.memory = NULL;
        own.size = 0;
}

/* Whether `size` bytes can be lent now. */
static bool have(size_t size)
{
        if (own.size >= size)
                return true;
        if (size > CD_PASSWORD_MEMORY_KEPT_MAX)
                return false;
        give_back();
        void *memory = map(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
                return false;
        madvise(memory, size, MADV_HUGEPAGE);
        madvise(memory, size, MADV_DONTDUMP);
        own.memory = memory;
        own.size = size;
        return true;
}

/* These two replace libc's functions for all shared libraries in the program. Calls that are not from libsodium's
 * hashing are passed on to the kernel. */
void *answer_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) __asm__("mmap");
int answer_munmap(void *at, size_t size) __asm__("munmap");

void *answer_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
        if (!own.is_on || own.is_lent || at || fd != -1 || !have(size))
                return map(at, size, protection, flags, fd, offset);
        own.is_lent = true;
        return own.memory;
}

int answer_munmap(void *at, size_t size)
{
        if (!own.is_lent || at != own.memory)
                return (int)syscall(SYS_munmap, at, size);
        own.is_lent = false;
        return 0;
}

void cd_password_memory_keep(bool keeps)
{
        own.keeps = keeps;
        if (!keeps)
                give_back();
}

const void *cd_password_memory_kept(size_t *ret_size)
{
        *ret_size = own.size;
        return own.memory;
}

void cd_password_memory_begin(void)
{
        own.is_on = own.keeps;
}

void cd_password_memory_end(void)
{
        own.is_on = false;
        if (own.memory)
                cd_wipe(own.memory, own.size < FIRST_BLOCKS ? own.size : FIRST_BLOCKS);
}

#else

void cd_password_memory_keep(bool keeps)
{
        (void)keeps;
}

const void *cd_password_memory_kept(size_t *ret_size)
{
        *ret_size = 0;
        return NULL;
}

void cd_password_memory_begin(void)
{
}

void cd_password_memory_end(void)
{
}

#endif
