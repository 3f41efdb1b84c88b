#pragma once
/* The functions of libpq that are called, found when the first store of PostgreSQL is opened: with it come Kerberos,
 * LDAP and GnuTLS, which cost every other server 3 MB and a third of its start. */
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

/* Set by cd_libpq_load, then never changed. */
extern struct cd_libpq cd_pq;

/* Loads the library, once; it stays until the process ends. From any thread. CD_UNAVAILABLE (field "store"), after
 * which another call tries again. */
cd_status cd_libpq_load(struct cd_error *reterr);
