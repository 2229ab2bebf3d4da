#include "core/config/params.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace flowtts {
namespace {

template <class T>
struct Unwrapped {
  using type = T;
};
template <class T>
struct Unwrapped<std::optional<T>> {
  using type = T;
};

template <class T>
constexpr std::string_view type_name() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_integral_v<T>) return "an integer";
  if constexpr (std::is_same_v<T, double>) return "a number";
  if constexpr (std::is_same_v<T, std::filesystem::path>) return "a path";
  if constexpr (std::is_same_v<T, ByteSize>) return "a size in bytes";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return "a text or a list of texts";
  return "a text";
}

/// Reads one parameter's value; reports what is wrong with it.
class ValueReader {
 public:
  ValueReader(const ParamInfo& param, std::string what, Diagnostics& diagnostics)
      : param_(param), what_(std::move(what)), diagnostics_(diagnostics) {}

  void read(const yaml::Node& node, const ParamField& field) {
    if (node.faulty) return;
    std::visit([&](auto* target) { read_into(node, *target); }, field);
  }

 private:
  template <class T>
  void read_into(const yaml::Node& node, std::optional<T>& target) {
    T value{};
    if (convert(node, value)) target = std::move(value);
  }
  template <class T>
  void read_into(const yaml::Node& node, T& target) {
    T value{};
    if (convert(node, value)) target = std::move(value);
  }

  bool convert(const yaml::Node& node, bool& value) {
    const std::optional<bool> read = yaml::as_bool(node);
    if (!read) return mistyped<bool>(node);
    value = *read;
    return true;
  }

  /// Reports a number such as 010.
  bool is_octal(const yaml::Node& node) {
    if (!yaml::looks_octal(node)) return false;
    report(node.where, "octal-number",
           fmt::format("'{}' looks octal, which YAML readers take in different ways; write it "
                       "without the leading zero",
                       node.text));
    return true;
  }

  template <class T>
    requires(std::is_integral_v<T>)
  bool convert(const yaml::Node& node, T& value) {
    if (is_octal(node)) return false;
    std::string_view text = node.is_scalar() && !node.quoted ? std::string_view(node.text) : "";
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end == text.data() + text.size() && status == std::errc() && !text.empty()) {
      return in_range(node, static_cast<double>(value));
    }
    const std::optional<double> number = yaml::as_number(node);
    const bool whole = number && std::trunc(*number) == *number;
    if (!whole) return mistyped<T>(node);
    constexpr auto kLowest = std::numeric_limits<T>::min();
    constexpr auto kHighest = std::numeric_limits<T>::max();
    if (std::abs(*number) < 9.0e15 && *number >= static_cast<double>(kLowest) &&
        *number <= static_cast<double>(kHighest)) {
      value = static_cast<T>(*number);  // 1e6 is an integer too
      return in_range(node, *number);
    }
    return out_of_range(node, fmt::format("{} to {}", kLowest, kHighest));
  }

  bool convert(const yaml::Node& node, double& value) {
    if (is_octal(node)) return false;
    const std::optional<double> number = yaml::as_number(node);
    if (!number) return mistyped<double>(node);
    value = *number;
    return in_range(node, value);
  }

  bool convert(const yaml::Node& node, std::string& value) {
    if (!node.is_scalar()) return mistyped<std::string>(node);
    value = node.text;
    return is_choice(node, value);
  }

  bool convert(const yaml::Node& node, std::filesystem::path& value) {
    if (!node.is_scalar() || node.text.empty()) return mistyped<std::filesystem::path>(node);
    value = node.text;
    return true;
  }

  bool convert(const yaml::Node& node, ByteSize& value) {
    if (is_octal(node)) return false;
    const std::optional<ByteSize> size =
        node.is_scalar() ? parse_byte_size(node.text) : std::nullopt;
    if (!size) return mistyped<ByteSize>(node, " such as 512MiB or 4GiB");
    value = *size;
    return in_range(node, static_cast<double>(size->bytes));
  }

  bool convert(const yaml::Node& node, std::vector<std::string>& value) {
    if (node.is_scalar()) {
      value = {node.text};
      return is_choice(node, node.text);
    }
    if (!node.is_list()) return mistyped<std::vector<std::string>>(node);
    bool good = true;
    for (const yaml::NodePtr& item : node.items) {
      if (item->faulty) {
        good = false;
      } else if (!item->is_scalar()) {
        good = mistyped<std::string>(*item, " in the list");
      } else {
        value.push_back(item->text);
        good = is_choice(*item, item->text) && good;
      }
    }
    return good;
  }

  bool in_range(const yaml::Node& node, double value) {
    const bool low = param_.minimum && value < *param_.minimum;
    const bool high = param_.maximum && value > *param_.maximum;
    return low || high ? out_of_range(node, {}) : true;
  }

  /// \param allowed what the type can hold, for a parameter without bounds.
  bool out_of_range(const yaml::Node& node, std::string allowed) {
    if (param_.minimum && param_.maximum) {
      allowed = fmt::format("{} to {}", *param_.minimum, *param_.maximum);
    } else if (param_.minimum) {
      allowed = fmt::format("{} or more", *param_.minimum);
    } else if (param_.maximum) {
      allowed = fmt::format("{} or less", *param_.maximum);
    }
    if (!param_.unit.empty()) allowed += " " + param_.unit;
    report(node.where, "out-of-range",
           fmt::format("{} is out of range; allowed is {}", node.text, allowed));
    return false;
  }

  bool is_choice(const yaml::Node& node, const std::string& value) {
    if (param_.choices.empty()) return true;
    if (std::find(param_.choices.begin(), param_.choices.end(), value) != param_.choices.end()) {
      return true;
    }
    report(node.where, "unknown-choice",
           fmt::format("'{}' is not allowed; allowed is {}{}", value, list_words(param_.choices),
                       did_you_mean(value, param_.choices)));
    return false;
  }

  template <class T>
  bool mistyped(const yaml::Node& node, std::string_view more = {}) {
    report(node.where, "wrong-type",
           fmt::format("found {}, expected {}{}", node.describe(), type_name<T>(), more));
    return false;
  }

  void report(const SourcePosition& where, std::string code, const std::string& message) {
    diagnostics_.error(where, std::move(code), fmt::format("{}: {}", what_, message));
  }

  const ParamInfo& param_;
  std::string what_;
  Diagnostics& diagnostics_;
};

struct SizeUnit {
  std::string_view name;
  double bytes;
};
constexpr std::array<SizeUnit, 9> kSizeUnits{{{"B", 1},
                                              {"kB", 1e3},
                                              {"MB", 1e6},
                                              {"GB", 1e9},
                                              {"TB", 1e12},
                                              {"KiB", 1024.0},
                                              {"MiB", 1048576.0},
                                              {"GiB", 1073741824.0},
                                              {"TiB", 1099511627776.0}}};

}  // namespace

void read_params(const yaml::Node* map, std::span<const ParamInfo> params, void* object,
                 const SourcePosition& where, std::string_view what, Diagnostics& diagnostics,
                 std::span<const std::string> others) {
  if (map && !map->is_map() && !map->is_null() && !map->faulty) {
    diagnostics.error(map->where, "wrong-type",
                      fmt::format("{}: found {}, expected a map of parameters", what,
                                  map->describe()));
    return;
  }
  if (map && map->faulty) return;
  std::vector<std::string> known(others.begin(), others.end());
  for (const ParamInfo& param : params) known.push_back(param.name);

  if (map) {
    for (const yaml::Entry& entry : map->entries) {
      if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
      diagnostics.error(entry.where, "unknown-key",
                        known.empty()
                            ? fmt::format("{}: unknown key '{}'; it takes none", what, entry.key)
                            : fmt::format("{}: unknown key '{}'; allowed is {}{}", what, entry.key,
                                          list_words(known), did_you_mean(entry.key, known)));
    }
  }
  for (const ParamInfo& param : params) {
    const yaml::Entry* entry = map ? map->find(param.name) : nullptr;
    const bool given = entry && !entry->value->is_null();
    if (given) {
      ValueReader(param, fmt::format("{}: '{}'", what, param.name), diagnostics)
          .read(*entry->value, param.field(object));
    } else if (param.required) {
      diagnostics.error(entry ? entry->where : where, "missing-key",
                        fmt::format("{}: '{}' is required: {}", what, param.name, param.doc));
    }
  }
}

std::string field_text(const ParamField& field) {
  return std::visit(
      [](const auto* target) -> std::string {
        using T = std::remove_cvref_t<decltype(*target)>;
        if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          return fmt::format("[{}]", fmt::join(*target, ", "));
        } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
          return target->string();
        } else if constexpr (std::is_same_v<T, ByteSize>) {
          return byte_size_text(target->bytes);
        } else if constexpr (!std::is_same_v<T, typename Unwrapped<T>::type>) {
          return *target ? fmt::format("{}", **target) : std::string();
        } else {
          return fmt::format("{}", *target);
        }
      },
      field);
}

std::string_view field_type(const ParamField& field) {
  return std::visit(
      [](const auto* target) {
        using T = std::remove_cvref_t<decltype(*target)>;
        return type_name<typename Unwrapped<T>::type>();
      },
      field);
}

std::optional<ByteSize> parse_byte_size(std::string_view text) {
  double number = 0;
  const char* const end_of_text = text.data() + text.size();
  const auto [end, status] = std::from_chars(text.data(), end_of_text, number);
  if (status != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  std::string_view unit(end, static_cast<std::size_t>(end_of_text - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  if (unit.empty()) unit = "B";
  const auto found = std::find_if(kSizeUnits.begin(), kSizeUnits.end(),
                                  [&](const SizeUnit& known) { return known.name == unit; });
  if (found == kSizeUnits.end()) return std::nullopt;
  const double bytes = std::round(number * found->bytes);
  if (bytes > 1e18) return std::nullopt;
  return ByteSize{static_cast<std::uint64_t>(bytes)};
}

std::string byte_size_text(std::uint64_t bytes) {
  for (const std::string_view name : {"TiB", "GiB", "MiB", "KiB"}) {
    const auto* unit = std::find_if(kSizeUnits.begin(), kSizeUnits.end(),
                                    [&](const SizeUnit& known) { return known.name == name; });
    const double count = static_cast<double>(bytes) / unit->bytes;
    if (count >= 1) {
      return std::trunc(count) == count ? fmt::format("{:.0f}{}", count, name)
                                        : fmt::format("{:.1f}{}", count, name);
    }
  }
  return fmt::format("{}", bytes);
}

}  // namespace flowtts
