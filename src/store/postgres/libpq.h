#pragma once
/* The functions of libpq that this driver uses. They are looked up when the first PostgreSQL store is opened
 * (base/library.h), because libpq brings in Kerberos, LDAP and GnuTLS, which would cost every other server 3 MB and a
 * third of its start-up time. */
#include <libpq-fe.h>

#include "base/status.h"

#define CD_LIBPQ_FUNCTIONS(X)                                                                                          \
        X(PQclear)                                                                                                     \
        X(PQcmdTuples)                                                                                                 \
        X(PQconnectPoll)                                                                                               \
        X(PQconnectStartParams)                                                                                        \
        X(PQconninfoFree)                                                                                              \
        X(PQconninfoParse)                                                                                             \
        X(PQconsumeInput)                                                                                              \
        X(PQenterPipelineMode)                                                                                         \
        X(PQerrorMessage)                                                                                              \
        X(PQexitPipelineMode)                                                                                          \
        X(PQfinish)                                                                                                    \
        X(PQflush)                                                                                                     \
        X(PQfreemem)                                                                                                   \
        X(PQftype)                                                                                                     \
        X(PQgetResult)                                                                                                 \
        X(PQgetisnull)                                                                                                 \
        X(PQgetlength)                                                                                                 \
        X(PQgetvalue)                                                                                                  \
        X(PQisBusy)                                                                                                    \
        X(PQnfields)                                                                                                   \
        X(PQnotifies)                                                                                                  \
        X(PQntuples)                                                                                                   \
        X(PQparameterStatus)                                                                                           \
        X(PQpipelineSync)                                                                                              \
        X(PQresultErrorField)                                                                                          \
        X(PQresultStatus)                                                                                              \
        X(PQsendPrepare)                                                                                               \
        X(PQsendQuery)                                                                                                 \
        X(PQsendQueryParams)                                                                                           \
        X(PQsendQueryPrepared)                                                                                         \
        X(PQserverVersion)                                                                                             \
        X(PQsetNoticeReceiver)                                                                                         \
        X(PQsetnonblocking)                                                                                            \
        X(PQsocket)                                                                                                    \
        X(PQstatus)                                                                                                    \
        X(PQtransactionStatus)

struct cd_libpq {
#define DECLARE(name) __typeof__(name) *name;
        CD_LIBPQ_FUNCTIONS(DECLARE)
#undef DECLARE
};

/* Set by cd_libpq_load, then constant. */
extern struct cd_libpq cd_pq;

/* Loads the library once, for the rest of the process. Thread-safe. CD_UNAVAILABLE (field "store") on failure; a later
 * call tries again. */
cd_status cd_libpq_load(struct cd_error *reterr);
