#include "core/audit.h"

#include <string.h>

cd_str cd_audit_text(cd_str text, char memory[CD_AUDIT_TEXT_MAX])
{
        text = cd_str_slice(text, 0, CD_AUDIT_TEXT_MAX);
        if (cd_str_index(text, '\0') == text.len && cd_str_is_utf8(text))
                return text;

        for (size_t i = 0; i < text.len;) {
                size_t length = text.ptr[i] ? cd_str_utf8_sequence(cd_str_slice(text, i, text.len)) : 0;
                if (length)
                        memcpy(memory + i, text.ptr + i, length);
                else
                        memory[i] = '?';
                i += length ? length : 1;
        }
        return cd_str_of(memory, text.len);
}
