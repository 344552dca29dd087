// What goes wrong, with the kind that it has as an error of esparse (`@esparse/errors`).
#pragma once
#include <stdexcept>
#include <string>

namespace esparse {

struct Failure : std::runtime_error {
  const char* kind;
  std::string hint;
  bool lost;  // nothing will succeed on this device again, in this process

  Failure(const char* kind, const std::string& message, std::string hint = "", bool lost = false)
      : std::runtime_error(message), kind(kind), hint(std::move(hint)), lost(lost) {}
};

}  // namespace esparse
