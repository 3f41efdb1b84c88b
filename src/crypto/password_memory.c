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
        FIRST_BLOCKS = 2048 /* bytes; the two that follow from the password without any memory */
};

static _Thread_local struct cd_password_memory *used;
static _Thread_local bool is_on;

static void *map(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
        return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

void cd_password_memory_free(struct cd_password_memory *memory)
{
        if (memory->memory)
                syscall(SYS_munmap, memory->memory, memory->size);
        *memory = (struct cd_password_memory){ 0 };
}

/* Whether there are `size` bytes to lend now. */
static bool keep(struct cd_password_memory *kept, size_t size)
{
        if (kept->size >= size)
                return true;
        if (size > CD_PASSWORD_MEMORY_KEPT_MAX)
                return false;
        cd_password_memory_free(kept);
        void *memory = map(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
                return false;
        madvise(memory, size, MADV_HUGEPAGE);
        madvise(memory, size, MADV_DONTDUMP);
        kept->memory = memory;
        kept->size = size;
        return true;
}

/* These two stand in for libc's in the whole program, as far as shared libraries call them; all that is not libsodium's
 * goes on to the kernel. */
void *answer_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) __asm__("mmap");
int answer_munmap(void *at, size_t size) __asm__("munmap");

void *answer_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
        if (!is_on || used->is_lent || at || fd != -1 || !keep(used, size))
                return map(at, size, protection, flags, fd, offset);
        used->is_lent = true;
        return used->memory;
}

int answer_munmap(void *at, size_t size)
{
        if (!used || !used->is_lent || at != used->memory)
                return (int)syscall(SYS_munmap, at, size);
        used->is_lent = false;
        return 0;
}

void cd_password_memory_use(struct cd_password_memory *memory)
{
        used = memory;
}

void cd_password_memory_begin(void)
{
        is_on = used != NULL;
}

void cd_password_memory_end(void)
{
        is_on = false;
        if (used)
                cd_wipe(used->memory, used->size < FIRST_BLOCKS ? used->size : FIRST_BLOCKS);
}

#else

void cd_password_memory_use(struct cd_password_memory *memory)
{
        (void)memory;
}

void cd_password_memory_free(struct cd_password_memory *memory)
{
        (void)memory;
}

void cd_password_memory_begin(void)
{
}

void cd_password_memory_end(void)
{
}

#endif
