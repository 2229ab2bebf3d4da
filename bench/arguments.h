#pragma once

#include <map>
#include <string>
#include <vector>

namespace flowtts::bench {

/// The arguments of a measuring program: pairs of `--name value`. A wrong one ends the program with
/// status 2 and the usage on stderr.
class Arguments {
 public:
  /// \param usage one line for each argument, "--lanes N    what it is".
  /// \param defaults of all arguments there are; without the dashes.
  Arguments(int argc, char** argv, std::string usage, std::map<std::string, std::string> defaults);

  const std::string& text(const std::string& name) const { return values_.at(name); }
  double number(const std::string& name) const;  ///< Not negative.
  int count(const std::string& name) const;      ///< Not negative.
  /// Of `--set`, which may be given many times.
  const std::vector<std::string>& sets() const { return sets_; }

  [[noreturn]] void refuse(const std::string& what) const;

 private:
  std::string usage_;
  std::map<std::string, std::string> values_;
  std::vector<std::string> sets_;
};

/// Ends the program with status 3, where what it measures does not work.
[[noreturn]] void give_up(const std::string& what);

}  // namespace flowtts::bench
