// What a channel must exceed to be kept, by the others of its group.
#pragma once
#include "max_plus.h"

namespace esparse {

// One value for each of a few rows.
using Rows = float[kPartialRows];

// t[m] = for each row, the keep-th largest of the group's scores other than the m-th.
void thresholds(const Rows* values, std::size_t keep, std::size_t group, Rows* t);

}  // namespace esparse
