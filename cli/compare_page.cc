#include "cli/compare_page.h"

#include <set>

#include <fmt/format.h>

#include "cli/format.h"
#include "core/config/params.h"
#include "core/utf8.h"

namespace flowtts::cli {
namespace {

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Voices side by side</title>
<style>
:root { color-scheme: light dark; --ground: #fff; --text: #1c1e21; --soft: #646a73;
        --line: #d9dce1; --head: #f4f5f7; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181c; --text: #e4e6ea; --soft: #9aa1ab; --line: #33373e; --head: #1f2227;
          --bad: #ff8a80; }
}
body { margin: 0; padding: 1.5rem; background: var(--ground); color: var(--text);
       font: 15px/1.45 system-ui, sans-serif; }
h1 { margin: 0 0 .2rem; font-size: 1.3rem; }
p { margin: 0 0 1rem; color: var(--soft); }
table { border-collapse: separate; border-spacing: 0; }
th, td { padding: .6rem .8rem; text-align: left; vertical-align: top; font-weight: normal;
         border-bottom: 1px solid var(--line); }
thead th { background: var(--head); }
thead tr:first-child th { position: sticky; top: 0; z-index: 2; border: 0; padding-bottom: .2rem; }
tbody th, thead th:first-child { position: sticky; left: 0; z-index: 1; }
tbody th { background: var(--ground); }
thead tr:first-child th:first-child { z-index: 3; }
tbody th { min-width: 16rem; max-width: 30rem; }
td, thead th + th { min-width: 17rem; }
h2 { margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
dl { margin: 0; display: grid; grid-template-columns: auto 1fr; gap: 0 .7rem; font-size: .82rem; }
dt { color: var(--soft); }
dd { margin: 0; font-variant-numeric: tabular-nums; }
small { display: block; color: var(--soft); }
audio { display: block; width: 100%; height: 2.2rem; }
.bad { color: var(--bad); overflow-wrap: anywhere; }
</style>
</head>
<body>
)";

// Two sentences at once are not to be compared.
constexpr std::string_view kTail = R"(<script>
document.addEventListener("play", (event) => {
  for (const audio of document.querySelectorAll("audio")) {
    if (audio !== event.target) audio.pause();
  }
}, true);
</script>
</body>
</html>
)";

std::string figure(std::string_view name, const std::string& text) {
  return fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, html_text(text));
}

std::string memory_of(const ComparedVoice& voice) {
  std::string text;
  if (voice.figures->device_bytes > 0) {
    text = byte_size_text(voice.figures->device_bytes) + " on the GPUs";
  }
  if (voice.host_bytes > 0) {
    text += (text.empty() ? "" : ", ") + byte_size_text(voice.host_bytes) + " more on the host";
  }
  return text.empty() ? "not measured" : text;
}

std::string gate_of(const VoiceConfig& voice) {
  if (voice.max_seconds_per_character <= 0) return "none";
  return fmt::format("{:.3g} to {:.3g} s a character", voice.min_seconds_per_character,
                     voice.max_seconds_per_character);
}

std::string failures_of(const CompareFigures& figures) {
  std::string text;
  for (const auto& [reason, count] : figures.failures) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, reason);
  }
  if (figures.retaken > 0) {
    text += fmt::format("{}{} spoken anew", text.empty() ? "" : ", ", figures.retaken);
  }
  return text.empty() ? "none" : text;
}

std::string figures_of(const ComparedVoice& voice) {
  const CompareFigures& figures = *voice.figures;
  std::string text = "<dl>\n";
  text += figure("speed", figures.work_seconds > 0
                              ? format_rate(figures.audio_seconds / figures.work_seconds) +
                                    " s of audio a second"
                              : "not measured");
  text += figure("loaded in", format_duration(figures.load_seconds));
  text += figure("memory", memory_of(voice));
  text +=
      figure("spoken", fmt::format("{}, {:.1f} s", format_number_of(figures.written, "sentence"),
                                   figures.audio_seconds));
  text += figure("rejected", failures_of(figures));
  text += figure("length", fmt::format("{:.3f} to {:.3f}, usually {:.3f} s a character",
                                       figures.least_per_character, figures.most_per_character,
                                       figures.usual_per_character));
  if (voice.config) text += figure("gate", gate_of(*voice.config));
  text += figure("numerics", figures.numerics.empty() ? "not told" : figures.numerics);
  return text + "</dl>";
}

std::string name_of(const ComparedVoice& voice) {
  return fmt::format("<th scope=\"col\"><h2>{}</h2></th>\n", html_text(voice.name));
}

std::string head_of(const ComparedVoice& voice) {
  std::string text = fmt::format("<th><small>{}</small>\n", html_text(voice.file.string()));
  if (!voice.problem.empty()) {
    text += fmt::format("<p class=\"bad\">{}</p>\n", html_text(voice.problem));
  }
  if (voice.figures) text += figures_of(voice);
  return text + "</th>\n";
}

std::string cell_of(const ComparedVoice& voice, const SentencePlace& place) {
  const auto found = voice.sentences.find(place);
  if (found == voice.sentences.end()) return "<td></td>\n";
  const ComparedSentence& sentence = found->second;
  if (sentence.audio.empty()) {
    return fmt::format("<td><span class=\"bad\">{}</span><small>{}</small></td>\n",
                       html_text(sentence.reason), html_text(sentence.message));
  }
  return fmt::format(
      "<td><audio controls preload=\"none\" src=\"{}\"></audio><small>{}, {:.2f} s</small></td>\n",
      url_path(voice.folder + "/" + sentence.audio), html_text(sentence.speaker), sentence.seconds);
}

/// The sentence as any voice was given it.
const ComparedSentence& sentence_at(std::span<const ComparedVoice> voices,
                                    const SentencePlace& place) {
  for (const ComparedVoice& voice : voices) {
    const auto found = voice.sentences.find(place);
    if (found != voice.sentences.end()) return found->second;
  }
  static const ComparedSentence kNone;
  return kNone;
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string valid;
  append_valid_utf8(valid, text);
  std::string escaped;
  for (const char c : valid) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? ' ' : c;
    }
  }
  return escaped;
}

std::string url_path(std::string_view path) {
  std::string url;
  for (const char c : path) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || std::string_view("-._~/").find(c) != std::string_view::npos) {
      url += c;
    } else {
      url += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return url;
}

std::string compare_page(const ComparePlan& plan, std::span<const ComparedVoice> voices) {
  std::set<SentencePlace> places;
  for (const ComparedVoice& voice : voices) {
    for (const auto& [place, sentence] : voice.sentences) places.insert(place);
  }
  std::string page(kHead);
  page += fmt::format("<h1>Voices side by side</h1>\n<p>{} of {}</p>\n",
                      format_number_of(places.size(), "sentence"), html_text(plan.input.string()));
  page += "<table>\n<thead>\n<tr><th scope=\"col\">Sentence</th>\n";
  for (const ComparedVoice& voice : voices) page += name_of(voice);
  page += "</tr>\n<tr><th></th>\n";
  for (const ComparedVoice& voice : voices) page += head_of(voice);
  page += "</tr>\n</thead>\n<tbody>\n";
  for (const SentencePlace& place : places) {
    const ComparedSentence& sentence = sentence_at(voices, place);
    page += fmt::format("<tr><th scope=\"row\">{}<small>{}</small></th>\n",
                        html_text(sentence.text), html_text(sentence.record));
    for (const ComparedVoice& voice : voices) page += cell_of(voice, place);
    page += "</tr>\n";
  }
  return page + "</tbody>\n</table>\n" + std::string(kTail);
}

}  // namespace flowtts::cli
