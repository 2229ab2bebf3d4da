#include <algorithm>
#include <array>
#include <vector>

#include "stages/text/clean_rules.h"
#include "stages/text/scan.h"

namespace flowtts::clean {
namespace {

constexpr std::size_t kLongestSpoken = 80;  ///< Bytes of a formula that may be put into words.

struct Command {
  std::string_view name;
  std::string_view words;
};

constexpr std::array<Command, 84> kCommands = {{
    {"alpha", "alpha"},
    {"beta", "beta"},
    {"gamma", "gamma"},
    {"delta", "delta"},
    {"epsilon", "epsilon"},
    {"varepsilon", "epsilon"},
    {"zeta", "zeta"},
    {"eta", "eta"},
    {"theta", "theta"},
    {"iota", "iota"},
    {"kappa", "kappa"},
    {"lambda", "lambda"},
    {"mu", "mu"},
    {"nu", "nu"},
    {"xi", "xi"},
    {"pi", "pi"},
    {"rho", "rho"},
    {"sigma", "sigma"},
    {"tau", "tau"},
    {"upsilon", "upsilon"},
    {"phi", "phi"},
    {"varphi", "phi"},
    {"chi", "chi"},
    {"psi", "psi"},
    {"omega", "omega"},
    {"Gamma", "gamma"},
    {"Delta", "delta"},
    {"Theta", "theta"},
    {"Lambda", "lambda"},
    {"Xi", "xi"},
    {"Pi", "pi"},
    {"Sigma", "sigma"},
    {"Phi", "phi"},
    {"Psi", "psi"},
    {"Omega", "omega"},
    {"times", "times"},
    {"cdot", "times"},
    {"div", "divided by"},
    {"pm", "plus or minus"},
    {"leq", "less than or equal to"},
    {"le", "less than or equal to"},
    {"geq", "greater than or equal to"},
    {"ge", "greater than or equal to"},
    {"lt", "less than"},
    {"gt", "greater than"},
    {"neq", "not equal to"},
    {"ne", "not equal to"},
    {"approx", "approximately"},
    {"infty", "infinity"},
    {"sin", "sine"},
    {"cos", "cosine"},
    {"tan", "tangent"},
    {"log", "log"},
    {"ln", "log"},
    {"degree", "degrees"},
    {"circ", "degrees"},
    {"percent", "percent"},
    {"angle", "angle"},
    {"triangle", "triangle"},
    {"ldots", ""},
    {"dots", ""},
    {"cdots", ""},
    {"left", ""},
    {"right", ""},
    {"quad", ""},
    {"qquad", ""},
    {"displaystyle", ""},
    {"big", ""},
    {"Big", ""},
    {"bigg", ""},
    {"Bigg", ""},
    {"limits", ""},
    {"text", ""},
    {"mathrm", ""},
    {"mathbf", ""},
    {"textbf", ""},
    {"textit", ""},
    {"mathit", ""},
    {"mathsf", ""},
    {"operatorname", ""},
    {"rm", ""},
    {"bf", ""},
    {"boxed", ""},
    {"mbox", ""},
}};

/// Puts a simple formula into words: terms of numbers, names and the commands above, powers,
/// indices, fractions and roots. Recursive descent with a bound on depth and length.
class FormulaReader {
 public:
  explicit FormulaReader(std::string_view formula) : text_(formula) {}

  /// False where the formula is more than that; `words` is then of no use.
  bool read(std::string& words) {
    if (!sequence(0) || position_ != text_.size() || words_.empty()) return false;
    words = std::move(words_);
    return true;
  }

 private:
  static constexpr int kDeepest = 4;

  char peek() const { return scan::at(text_, position_); }

  void say(std::string_view word) {
    if (word.empty()) return;
    if (!words_.empty()) words_.push_back(' ');
    words_.append(word);
  }

  bool sequence(int depth) {
    if (depth > kDeepest) return false;
    while (position_ < text_.size() && peek() != '}') {
      if (!term(depth)) return false;
    }
    return true;
  }

  bool group(int depth) {
    while (peek() == ' ') ++position_;
    if (peek() != '{') return term(depth + 1);
    ++position_;
    if (!sequence(depth + 1) || peek() != '}') return false;
    ++position_;
    return true;
  }

  bool term(int depth) {
    const char c = peek();
    if (scan::is_digit(c)) return number();
    if (scan::is_alpha(c)) return name();
    if (c == '{') return group(depth);
    if (c == '\\') return command(depth);
    ++position_;
    switch (c) {
      case '+':
        say("plus");
        return true;
      case '-':
        say("minus");
        return true;
      case '*':
        say("times");
        return true;
      case '/':
        say("over");
        return true;
      case '=':
        say("equals");
        return true;
      case '<':
        say("less than");
        return true;
      case '>':
        say("greater than");
        return true;
      case '%':
        say("percent");
        return true;
      case ',':
        words_.append(words_.empty() ? "" : ",");
        return true;
      case '_':
        return group(depth);
      case '^':
        return power(depth);
      case ' ':
      case '\n':
      case '(':
      case ')':
      case '.':
        return true;
      default:
        return false;
    }
  }

  bool number() {
    const std::size_t begin = position_;
    while (scan::is_digit(peek()) ||
           (scan::is_one_of(peek(), ".,") && scan::is_digit(scan::at(text_, position_ + 1)))) {
      ++position_;
    }
    say(text_.substr(begin, position_ - begin));
    return true;
  }

  bool name() {
    const std::size_t begin = position_;
    while (scan::is_alpha(peek())) ++position_;
    say(text_.substr(begin, position_ - begin));
    return true;
  }

  bool power(int depth) {
    while (peek() == ' ') ++position_;
    const std::string_view rest = text_.substr(position_);
    for (const std::string_view degrees : {"\\circ", "{\\circ}"}) {
      if (!rest.starts_with(degrees)) continue;
      position_ += degrees.size();
      say("degrees");
      return true;
    }
    for (const auto& [exponent, word] : {Command{"2", "squared"}, Command{"3", "cubed"}}) {
      for (const std::string_view form : {"", "{"}) {
        const std::string whole =
            std::string(form).append(exponent).append(form.empty() ? "" : "}");
        if (!rest.starts_with(whole) || scan::is_digit(scan::at(rest, whole.size()))) continue;
        position_ += whole.size();
        say(word);
        return true;
      }
    }
    say("to the power of");
    return group(depth);
  }

  bool command(int depth) {
    ++position_;
    const char c = peek();
    if (!scan::is_alpha(c)) {
      ++position_;
      if (c == '%') say("percent");
      return c != '\0' && scan::is_one_of(c, "%,;:! $\\{}");
    }
    const std::size_t begin = position_;
    while (scan::is_alpha(peek())) ++position_;
    const std::string_view name = text_.substr(begin, position_ - begin);
    if (name == "frac" || name == "dfrac" || name == "tfrac") {
      if (!group(depth)) return false;
      say("over");
      return group(depth);
    }
    if (name == "sqrt") {
      if (peek() == '[') return false;
      say("the square root of");
      return group(depth);
    }
    for (const Command& known : kCommands) {
      if (known.name != name) continue;
      say(known.words);
      return true;
    }
    return false;
  }

  std::string_view text_;
  std::size_t position_ = 0;
  std::string words_;
};

/// Whether the text so far ends with a whole sentence.
bool ends_with_sentence(std::string_view text) {
  const std::string_view trimmed =
      scan::trim(text.substr(text.size() - std::min<std::size_t>(text.size(), 16)));
  return trimmed.empty() || scan::is_one_of(trimmed.back(), ".!?");
}

void append_formula(std::string& out, std::string_view formula, bool displayed) {
  // The lines that a displayed formula has for itself do not end the sentence that it is part of.
  if (displayed && !ends_with_sentence(out)) {
    while (!out.empty() && scan::is_space(out.back())) out.pop_back();
  }
  const std::string_view body = scan::trim(formula);
  std::string words;
  if (body.size() <= kLongestSpoken && FormulaReader(body).read(words)) {
    out.append(" ").append(words);
  }
  out.push_back(' ');
}

/// Behind a displayed formula at `position`: where the text goes on with the same sentence.
std::size_t skip_to_sentence(std::string_view text, std::size_t position) {
  const std::size_t next = std::min(text.find_first_not_of(" \n", position), text.size());
  return scan::is_lower(scan::at(text, next)) ? next : position;
}

/// Whether what stands between two dollar signs is a formula and not "5 and " of "$5 and $10":
/// pandoc's rule for the signs, and something inside that prose would not have.
bool is_inline_formula(std::string_view inside, char behind) {
  constexpr std::size_t kLongest = 400;
  if (inside.empty() || inside.size() > kLongest || inside.find('\n') != scan::kNone) return false;
  if (inside.front() == ' ' || inside.back() == ' ' || scan::is_digit(behind)) return false;
  if (scan::contains_any(inside, "\\^_={}")) return true;
  return std::all_of(
             inside.begin(), inside.end(),
             [](char c) { return scan::is_digit(c) || scan::is_one_of(c, "+-*/<>., ()"); }) ||
         (inside.size() <= 3 && std::all_of(inside.begin(), inside.end(), scan::is_alpha));
}

struct Environment {
  std::size_t begin;  ///< At `\begin`.
  std::size_t end;    ///< Behind the `}` of its `\end{...}`.
};

/// The outermost environments, in order. One walk over the marks with a stack.
std::vector<Environment> find_environments(std::string_view text) {
  std::vector<std::size_t> open;
  std::vector<Environment> found;
  for (std::size_t i = text.find('\\'); i != scan::kNone; i = text.find('\\', i + 1)) {
    const std::string_view rest = text.substr(i, 64);
    if (rest.starts_with("\\begin{")) open.push_back(i);
    if (!rest.starts_with("\\end{") || open.empty()) continue;
    const std::size_t close = rest.find('}');
    if (close == scan::kNone) continue;
    const std::size_t begin = open.back();
    open.pop_back();
    while (!found.empty() && found.back().begin > begin) found.pop_back();
    found.push_back({begin, i + close + 1});
  }
  return found;
}

/// Finds the formulas of a text from left to right.
class FormulaFinder {
 public:
  explicit FormulaFinder(std::string_view text)
      : text_(text),
        environments_(find_environments(text)),
        dollar_(text, "$"),
        dollars_(text, "$$"),
        bracket_(text, "\\]"),
        parenthesis_(text, "\\)") {}

  struct Formula {
    std::string_view inside = {};
    std::size_t end = 0;  ///< 0 where no formula begins.
    bool displayed = false;
  };

  Formula at(std::size_t i) {
    if (text_[i] == '$') return dollar_formula(i);
    const char next = scan::at(text_, i + 1);
    if (next == '[') return delimited(i, 2, bracket_.next(i + 2), true);
    if (next == '(') return delimited(i, 2, parenthesis_.next(i + 2), false);
    if (next == 'b') return environment(i);
    return {};
  }

 private:
  Formula delimited(std::size_t begin, std::size_t mark, std::size_t close, bool displayed) const {
    if (close == scan::kNone) return {};
    return {text_.substr(begin + mark, close - begin - mark), close + mark, displayed};
  }

  Formula dollar_formula(std::size_t i) {
    if (i > 0 && text_[i - 1] == '\\') return {};
    if (scan::at(text_, i + 1) == '$') return delimited(i, 2, dollars_.next(i + 2), true);
    const std::size_t close = dollar_.next(i + 1);
    if (close == scan::kNone) return {};
    const Formula formula = delimited(i, 1, close, false);
    return is_inline_formula(formula.inside, scan::at(text_, close + 1)) ? formula : Formula{};
  }

  Formula environment(std::size_t i) {
    while (next_environment_ < environments_.size() && environments_[next_environment_].begin < i) {
      ++next_environment_;
    }
    if (next_environment_ == environments_.size()) return {};
    const Environment& found = environments_[next_environment_];
    // Never spoken: tables, proofs and systems of equations are not simple.
    return found.begin == i ? Formula{{}, found.end, true} : Formula{};
  }

  std::string_view text_;
  std::vector<Environment> environments_;
  std::size_t next_environment_ = 0;
  scan::Finder dollar_;
  scan::Finder dollars_;
  scan::Finder bracket_;
  scan::Finder parenthesis_;
};

}  // namespace

std::string speak_latex(std::string_view text) {
  FormulaFinder finder(text);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t next = std::min(scan::find_any(text, "$\\", i), text.size());
    out.append(text.substr(i, next - i));
    i = next;
    if (i == text.size()) break;
    const FormulaFinder::Formula formula = finder.at(i);
    if (formula.end == 0) {
      out.push_back(text[i++]);
    } else {
      append_formula(out, formula.inside, formula.displayed);
      i = formula.displayed ? skip_to_sentence(text, formula.end) : formula.end;
    }
  }
  return out;
}

}  // namespace flowtts::clean
