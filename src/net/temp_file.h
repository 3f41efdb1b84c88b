#pragma once
/* A file without a name in $TMPDIR or /tmp, for data that is too large for memory. It is written and read on threads,
 * and it is gone when it is freed or when the process ends. */
#include "base/status.h"
#include "net/loop.h"

struct cd_temp_file;

struct cd_temp_file_events {
        /* All bytes that were accepted are in the file. */
        void (*written)(struct cd_temp_file *file);
        /* The answer to cd_temp_file_read; `bytes` is empty at the end of the file, and valid during the call. */
        void (*read)(struct cd_temp_file *file, cd_str bytes);
        /* The file cannot be created, written or read (the disk is full, for example); cd_temp_file_error says why. No
         * event follows. */
        void (*failed)(struct cd_temp_file *file);
};

/* At most `max` bytes. NULL if memory is exhausted. The file is created with the first write. */
struct cd_temp_file *cd_temp_file_new(struct cd_loop *loop, int64_t max, const struct cd_temp_file_events *events,
                                      void *owner);
/* No event follows. From within an event, too. NULL is fine. Must be called before cd_loop_done. */
void cd_temp_file_free(struct cd_temp_file *file);
void *cd_temp_file_owner(const struct cd_temp_file *file);
/* Bytes that were accepted. */
int64_t cd_temp_file_size(const struct cd_temp_file *file);
/* For the log: names the directory. */
const char *cd_temp_file_error(const struct cd_temp_file *file);

/* Appends a copy of the bytes. An event follows, later than this call returns. To bound the memory, the caller waits
 * for `written` before it writes much more. CD_TOO_LARGE if they are over `max`: none is accepted, and no event
 * follows. CD_NO_MEMORY also if there is no thread. Not while `read` is awaited. */
cd_status cd_temp_file_write(struct cd_temp_file *file, cd_str bytes, struct cd_error *reterr);
/* Reads up to `len` bytes, fewer only at the end of the file. An event follows, later than this call returns. Only
 * after `written` or `read`, or before the first write. CD_NO_MEMORY also if there is no thread. */
cd_status cd_temp_file_read(struct cd_temp_file *file, int64_t offset, size_t len, struct cd_error *reterr);
