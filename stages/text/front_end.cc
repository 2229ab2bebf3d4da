#include "stages/text/front_end.h"

#include <map>
#include <mutex>
#include <utility>

#include "stages/text/character_front_end.h"
#include "stages/text/flite_front_end.h"
#include "stages/text/text_front_end.h"

namespace flowtts {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::string, FrontEndFactory, std::less<>> factories{
      {"flite_us", [](const auto&) { return make_flite_us(); }},
      {std::string(kTextFrontEnd),
       [](const FrontEndOptions& options) { return make_text_front_end(options.languages); }},
      {std::string(kCharacterFrontEnd), make_character_front_end}};
};

Registry& registry() {
  static Registry instance;
  return instance;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

}  // namespace

void register_front_end(std::string type, FrontEndFactory factory) {
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  known.factories.insert_or_assign(std::move(type), std::move(factory));
}

std::vector<std::string> front_end_types() {
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  std::vector<std::string> names;
  for (const auto& [name, factory] : known.factories) names.push_back(name);
  return names;
}

Result<std::shared_ptr<const FrontEnd>> make_front_end(std::string_view type,
                                                       const FrontEndOptions& options) {
  Registry& known = registry();
  FrontEndFactory factory;
  {
    const std::lock_guard lock(known.mutex);
    const auto found = known.factories.find(type);
    if (found != known.factories.end()) factory = found->second;
  }
  if (factory) return factory(options);
  return Error{"unknown_front_end", "there is no front end '" + std::string(type) +
                                        "'; there are: " + joined(front_end_types())};
}

}  // namespace flowtts
