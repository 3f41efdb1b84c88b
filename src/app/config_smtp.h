#pragma once
/* The section `smtp` of the configuration: the server to which e-mails are handed. */
#include "conf/settings.h"
#include "core/mail_message.h"
#include "fetch/smtp.h"

struct cd_config_smtp {
        cd_str url; /* smtp://HOST[:PORT] or smtps://HOST[:PORT]; empty: no e-mail is sent */
        cd_str username, password;
        cd_str from;    /* cd_mailbox_parse accepts it */
        cd_str ca_file; /* PEM; relative to the folder of the configuration; empty: the system's */
        int plaintext;  /* enum cd_tristate: without TLS; unset: only to a server on this machine */
};

extern const struct cd_table cd_config_smtp_table;

struct cd_config;

/* What the table cannot say. Every finding names its setting and the fix. */
void cd_config_check_smtp(const struct cd_config *config, struct cd_report *report);
/* ca_file, after cd_config_check_smtp. */
void cd_config_check_smtp_files(const struct cd_config *config, struct cd_report *report);

/* The settings of a configuration without errors, as views of it; ca_file, made absolute by the folder of `file_name`,
 * is in the arena. CD_NO_MEMORY, CD_INVALID_REQUEST. */
cd_status cd_config_smtp_read(const struct cd_config_smtp *smtp, cd_str file_name, struct cd_arena *arena,
                              struct cd_smtp_server *ret_server, struct cd_mailbox *ret_from, struct cd_error *reterr);
