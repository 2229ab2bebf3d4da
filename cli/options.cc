#include "cli/options.h"

#include <algorithm>

#include <flowtts/diagnostics.h>
#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace flowtts::cli {

struct Options::Parser {
  struct Required {
    CLI::Option* option;
    std::string name;
  };

  CLI::App app;
  std::vector<Required> required;
};

Options::Options() : parser_(std::make_unique<Parser>()) {
  parser_->app.set_help_flag();  // CLI11 would print its own
  parser_->app.allow_extras();   // refused in `parse`, with the nearest name
  parser_->app.add_flag("-h,--help", help_);
  names_ = {"--help"};
}

Options::~Options() = default;

void Options::argument(std::string name, std::string& value, bool required, std::string doc) {
  CLI::Option* option = parser_->app.add_option(name, value);
  if (required) parser_->required.push_back({option, name});
  arguments_.push_back({std::move(name), std::move(doc)});
}

void Options::flag(std::string name, bool& value, std::string doc) {
  parser_->app.add_flag(name, value);
  const std::size_t comma = name.find(',');
  names_.push_back(comma == std::string::npos ? name : name.substr(comma + 1));
  if (comma != std::string::npos) name.insert(comma + 1, " ");
  options_.push_back({std::move(name), std::move(doc)});
}

void Options::value(std::string name, std::string value_name, std::string& value, std::string doc) {
  parser_->app.add_option(name, value)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  names_.push_back(name);
  options_.push_back({name + " " + value_name, std::move(doc)});
}

void Options::list(std::string name, std::string value_name, std::vector<std::string>& values,
                   std::string doc) {
  parser_->app.add_option(name, values)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  names_.push_back(name);
  options_.push_back({name + " " + value_name, std::move(doc)});
}

std::optional<std::string> Options::parse(std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants a vector
  try {
    parser_->app.parse(std::move(arguments));
  } catch (const CLI::ArgumentMismatch& error) {  // "--set: 1 required TEXT missing"
    const std::string text = error.what();
    return text.substr(0, text.find(':')) + " needs a value";
  } catch (const CLI::ParseError& error) {
    return std::string(error.what());
  }
  if (help_) return std::nullopt;
  const std::vector<std::string> extras = parser_->app.remaining();
  if (!extras.empty()) return unknown(extras.front());
  for (const Parser::Required& required : parser_->required) {
    if (required.option->count() == 0) return fmt::format("{} is missing", required.name);
  }
  return std::nullopt;
}

std::string Options::unknown(const std::string& word) const {
  if (!word.starts_with('-')) return fmt::format("unexpected argument '{}'", word);
  const std::string name = word.substr(0, word.find('='));
  return fmt::format("unknown option '{}'{}", name, did_you_mean(name, names_));
}

}  // namespace flowtts::cli
