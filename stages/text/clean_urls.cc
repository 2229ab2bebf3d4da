#include <algorithm>

#include "stages/text/clean_rules.h"
#include "stages/text/scan.h"

namespace flowtts::clean {
namespace {

constexpr std::string_view kWww = "www.";

bool ends_address(char c) {
  return scan::is_space(c) || !scan::is_ascii(c) || scan::is_one_of(c, "<>\"`{}|\\^");
}

/// Where the address that begins at `begin` ends: before white space and before the punctuation of
/// the sentence around it.
std::size_t end_of_address(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  bool bracket = false;
  while (end < text.size() && !ends_address(text[end])) bracket |= text[end++] == '(';
  while (end > begin &&
         (scan::is_one_of(text[end - 1], ".,;:!?]'*_~") || (text[end - 1] == ')' && !bracket))) {
    --end;
  }
  return end;
}

/// The part before `://` of an address that is worth shortening; 0 where there is none.
std::size_t scheme_length(std::string_view text) {
  for (const std::string_view scheme : {"https://", "http://", "ftp://"}) {
    if (scan::starts_with_ignoring_case(text, scheme)) return scheme.size();
  }
  return 0;
}

std::string_view host_of(std::string_view address) {
  std::string_view host = address.substr(0, address.find_first_of("/?#"));
  if (const std::size_t user = host.rfind('@'); user != scan::kNone) host.remove_prefix(user + 1);
  host = host.substr(0, host.find(':'));
  while (scan::starts_with_ignoring_case(host, kWww)) host.remove_prefix(kWww.size());
  return host;
}

/// Whether `text[at]`, an '@', stands in an e-mail address: a word before it, behind it a name with
/// a dot.
bool in_mail_address(std::string_view text, std::size_t at) {
  constexpr std::size_t kLongestDomain = 255;
  if (at == 0 || !scan::is_alnum(text[at - 1])) return false;
  std::size_t end = at + 1;
  bool dot = false;
  while (end < text.size() && end - at < kLongestDomain &&
         (scan::is_alnum(text[end]) || scan::is_one_of(text[end], ".-"))) {
    dot |= text[end] == '.' && scan::is_alnum(text[end - 1]) &&
           scan::is_alpha(scan::at(text, end + 1));
    ++end;
  }
  return dot;
}

}  // namespace

std::string shorten_urls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool word = false;
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    const std::size_t scheme = word ? 0 : scheme_length(rest);
    const bool www = !word && scheme == 0 && scan::starts_with_ignoring_case(rest, kWww) &&
                     scan::is_alnum(scan::at(rest, kWww.size()));
    if (scheme > 0 || www) {
      const std::size_t end = std::max(end_of_address(text, i + scheme), i + scheme);
      const bool angles = !out.empty() && out.back() == '<' && scan::at(text, end) == '>';
      if (angles) out.pop_back();
      out.append(host_of(text.substr(i + scheme, end - i - scheme)));
      i = angles ? end + 1 : end;
      word = true;
      continue;
    }
    if (text[i] == '@' && in_mail_address(text, i)) {
      out.append(" at ");
      word = false;
      ++i;
      continue;
    }
    word = scan::is_alnum(text[i]);
    out.push_back(text[i++]);
  }
  return out;
}

}  // namespace flowtts::clean
