// Steps that are under way. The likeliest tokens of a step are on the device before the host knows them, so the step after
// it, which continues every row with its token, is begun there at once; when the host asks for the rows, it is done or
// nearly so. Where the host asks for something else, what was begun is not looked at: it wrote keys and values behind the
// ends of sequences only.
#pragma once
#include <vector>

#include "../kernels/choice.h"
#include "memory.h"

namespace esparse {

// What identifies a row: whose token it is (a number that the host gives each sequence), and which.
struct RowOf {
  std::int32_t sequence, position, id;
};

struct Flight {
  std::vector<RowOf> rows;  // `id` is not known before `settle` where the step was begun ahead
  PinnedArray<std::int32_t> chosen;
  PinnedArray<ChoiceReport> reports;
  Event done = make_event();
  explicit Flight(int most_rows) : chosen(most_rows), reports(most_rows) {}

  // The rows of the step after this one; their ids once it is done.
  std::vector<RowOf> continued() const {
    std::vector<RowOf> out;
    for (std::size_t i = 0; i < rows.size(); i++) {
      out.push_back({rows[i].sequence, rows[i].position + 1, chosen.data()[i]});
    }
    return out;
  }
};

// Where each row that is asked for stands among those that there are; empty where one is not.
inline std::vector<int> places_of(const std::vector<RowOf>& asked, const std::vector<RowOf>& there) {
  std::vector<int> out;
  for (const RowOf& row : asked) {
    for (std::size_t i = 0; i < there.size(); i++) {
      const RowOf& other = there[i];
      if (row.sequence != other.sequence || row.position != other.position || row.id != other.id) continue;
      out.push_back(static_cast<int>(i));
      break;
    }
  }
  if (out.size() != asked.size()) out.clear();
  return out;
}

}  // namespace esparse
