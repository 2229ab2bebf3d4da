#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace flowtts::cli {

/// The options and arguments of one command: the only door to CLI11. The variables that it is given
/// are set by `parse`, so they must live as long.
class Options {
 public:
  struct Described {
    std::string name;  ///< As --help shows it: "--set NAME.KEY=VALUE".
    std::string doc;
  };

  Options();
  ~Options();
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  /// The next argument that is no option. \param required without it the command line is refused.
  void argument(std::string name, std::string& value, bool required, std::string doc);
  void flag(std::string name, bool& value, std::string doc);
  /// Takes one value; given more than once, the last counts.
  void value(std::string name, std::string value_name, std::string& value, std::string doc);
  /// May be given more than once; each takes one value.
  void list(std::string name, std::string value_name, std::vector<std::string>& values,
            std::string doc);

  /// What is wrong with these arguments; nothing where they are good.
  std::optional<std::string> parse(std::vector<std::string> arguments);
  bool help_wanted() const { return help_; }

  const std::vector<Described>& arguments() const { return arguments_; }
  const std::vector<Described>& options() const { return options_; }

 private:
  std::string unknown(const std::string& word) const;

  struct Parser;
  std::unique_ptr<Parser> parser_;
  std::vector<Described> arguments_;
  std::vector<Described> options_;
  std::vector<std::string> names_;
  bool help_ = false;
};

}  // namespace flowtts::cli
