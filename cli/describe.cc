#include "cli/describe.h"

#include <fmt/format.h>

#include "cli/stage_docs.h"
#include "cli/text.h"

namespace flowtts::cli {
namespace {

/// Layout for one terminal.
class Writer {
 public:
  Writer(std::size_t width, bool colour) : width_(width), colour_(colour) {}

  void paragraph(std::string_view text, std::size_t indent = 0) {
    text_ += std::string(indent, ' ') + wrap(text, width_, indent) + "\n";
  }

  /// Markdown paragraphs; lines that are indented or begin a list stay as they are.
  void markdown(std::string_view text) {
    std::string open;
    const auto close = [&] {
      if (!open.empty()) paragraph(open);
      open.clear();
    };
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      const bool kept = line.starts_with(' ') || line.starts_with("- ") || line.starts_with('|') ||
                        line.starts_with("```");
      if (line.empty() || kept) {
        close();
        text_ += fmt::format("{}\n", line);
      } else {
        open += (open.empty() ? "" : " ") + std::string(line);
      }
    }
    close();
  }

  void heading(std::string_view text) { text_ += "\n" + paint(text, Style::kBold, colour_) + "\n"; }

  void param(const ParamDoc& param) {
    std::string facts = param.type;
    if (!param.allowed.empty()) facts += ", " + param.allowed;
    if (!param.standard.empty()) {
      facts += (param.standard == "required" ? "; " : "; default ") + param.standard;
    }
    if (!param.example.empty()) facts += "; such as " + param.example;
    text_ += fmt::format("  {}\n", paint(param.name, Style::kGreen, colour_));
    paragraph(param.doc, 6);
    text_ += "      " + paint(wrap(facts, width_, 6), Style::kDim, colour_) + "\n";
  }

  void lines(std::string_view text) { text_ += text; }
  const std::string& text() const { return text_; }

 private:
  const std::size_t width_;
  const bool colour_;
  std::string text_;
};

std::string described(const StageType& type, std::size_t width, bool colour) {
  Writer writer(width, colour);
  writer.lines(fmt::format("{}: {} stage, {}\n", paint(type.spec.name, Style::kBold, colour),
                           kind_word(type.kind), flow_text(type)));
  writer.lines("\n");
  writer.paragraph(type.spec.summary);
  if (!type.spec.doc.empty()) {
    writer.lines("\n");
    writer.markdown(type.spec.doc);
  }
  const std::vector<ParamDoc> params = param_docs(type);
  writer.heading("Parameters (with:)");
  if (params.empty()) writer.lines("  none\n");
  for (const ParamDoc& param : params) writer.param(param);
  writer.heading("Example");
  writer.lines(example_yaml(type, 2));
  return writer.text();
}

}  // namespace

std::vector<std::string> topics(const StageRegistry& registry) {
  std::vector<std::string> names;
  for (const StageType* type : registry.all()) names.push_back(type->spec.name);
  for (const char* topic : {"run", "stage", "batch", "recycle"}) names.emplace_back(topic);
  return names;
}

std::string description(std::string_view topic, const StageRegistry& registry, std::size_t width,
                        bool colour) {
  if (const StageType* type = registry.find(topic)) return described(*type, width, colour);
  Writer writer(width, colour);
  for (const SettingsDoc& settings : settings_docs()) {
    if (settings.topic != topic) continue;
    if (!writer.text().empty()) writer.lines("\n");
    writer.lines(paint(settings.place, Style::kBold, colour) + ": ");
    writer.paragraph(settings.summary);
    writer.lines("\n");
    for (const ParamDoc& param : settings.params) writer.param(param);
  }
  return writer.text();
}

}  // namespace flowtts::cli
