#pragma once
/* What the gate counts. */
#include "base/metrics.h"
#include "gate/check.h"

extern const struct cd_metric cd_gate_metrics[];
extern const size_t cd_gate_metric_count;

/* A check that came to `verdict`; CD_GATE_ASK_STORE is no end. Returns the verdict. */
enum cd_gate_verdict cd_gate_count(const struct cd_gate_check *c, enum cd_gate_verdict verdict);
