#include "stages/text/flite_tokens.h"

#include <utility>

namespace flowtts {
namespace {

constexpr std::size_t kTokenSlots = std::size_t{1} << 18;
constexpr std::size_t kTokenMostBytes = std::size_t{32} << 20;
constexpr std::size_t kPlaceSlots = std::size_t{1} << 16;
constexpr std::size_t kPlaceMostBytes = std::size_t{8} << 20;

constexpr char kFirst = 1;
constexpr char kLast = 2;

/// The token that this thread lets flite expand, and whether flite asked for another one. flite's
/// feature functions get an item and nothing else.
struct Watch {
  const cst_item* token = nullptr;
  bool asked_others = false;

  void note(const cst_item* item) { asked_others |= item != token; }
};
thread_local Watch watch;

const cst_val* watch_name(const cst_item* item) {
  watch.note(item);
  return item_feat(item, "name");
}

const cst_val* watch_punctuation(const cst_item* item) {
  watch.note(item);
  return item_feat(item, "punc");
}

const cst_val* watch_white_space(const cst_item* item) {
  watch.note(item);
  return item_feat(item, "whitespace");
}

const cst_val* watch_guess(const cst_item* item) {
  watch.note(item);
  return val_ffunc(feat_val(flite_voice()->ffunctions, "token_pos_guess"))(item);
}

/// Puts the watch in front of all features of tokens that flite's reading of a token asks for.
void watch_features(cst_utterance* utterance) {
  ff_register(utterance->ffunctions, "name", watch_name);
  ff_register(utterance->ffunctions, "punc", watch_punctuation);
  ff_register(utterance->ffunctions, "whitespace", watch_white_space);
  ff_register(utterance->ffunctions, "token_pos_guess", watch_guess);
}

std::size_t bytes_of(const Expansion& expansion) {
  return expansion.words.capacity() * sizeof expansion.words[0] + expansion.punctuation.capacity();
}

}  // namespace

std::size_t FliteToken::bytes() const {
  return sizeof *this + key.capacity() + name.capacity() + punctuation.capacity() +
         bytes_of(expansion);
}

std::size_t FliteTokenInPlace::bytes() const {
  return sizeof *this + key.capacity() + bytes_of(expansion);
}

FliteTokens::FliteTokens(cst_voice* voice, const Symbols& symbols, const FliteWords& words)
    : voice_(voice),
      symbols_(symbols),
      words_(words),
      opening_punctuation_(get_param_string(voice->features, "text_prepunctuation", "")),
      tokens_(kTokenSlots, kTokenMostBytes),
      places_(kPlaceSlots, kPlaceMostBytes) {}

const FliteToken& FliteTokens::find(std::string_view text, bool first, bool last,
                                    Kept& kept) const {
  std::array<char, 256> buffer;
  std::string long_key;
  const auto flags = static_cast<char>((first ? kFirst : 0) | (last ? kLast : 0));
  std::string_view key;
  if (text.size() < buffer.size()) {
    text.copy(buffer.data(), text.size());
    buffer[text.size()] = flags;
    key = {buffer.data(), text.size() + 1};
  } else {
    long_key = text;
    long_key.push_back(flags);
    key = long_key;
  }
  return *tokens_.get(key, kept, [&](std::string_view wanted) { return look_up(wanted, kept); })
              .entry;
}

std::unique_ptr<const FliteToken> FliteTokens::look_up(std::string_view key, Kept& kept) const {
  auto token = std::make_unique<FliteToken>();
  token->key = key;
  const std::string text(key.substr(0, key.size() - 1));
  const cst_features* const features = voice_->features;
  cst_tokenstream* const stream =
      ts_open_string(text.c_str(), get_param_string(features, "text_whitespace", nullptr),
                     get_param_string(features, "text_singlecharsymbols", nullptr),
                     get_param_string(features, "text_prepunctuation", nullptr),
                     get_param_string(features, "text_postpunctuation", nullptr));
  token->name = ts_get(stream);
  token->punctuation = stream->postpunctuation;
  ts_close(stream);
  token->name_symbol = symbols_.of(token->name);

  // Among tokens that are there for nothing but to be asked.
  constexpr TokenPlace::Neighbour kAny = {"any", ""};
  constexpr TokenPlace::Neighbour kNone = {};
  const TokenPlace::Neighbour before = (key.back() & kFirst) != 0 ? kNone : kAny;
  const TokenPlace::Neighbour behind = (key.back() & kLast) != 0 ? kNone : kAny;
  const TokenPlace place = {{before, before, {token->name, token->punctuation}, behind, behind}};
  bool asked_others = false;
  token->expansion = expand(place, &asked_others, kept);
  token->depends_on_others = asked_others;
  if (asked_others) token->expansion = {};
  return token;
}

const Expansion& FliteTokens::in_place(const TokenPlace& place, Kept& kept) const {
  std::string key;
  for (const TokenPlace::Neighbour& token : place.tokens) {
    key.append(token.name).push_back(' ');
    key.append(token.punctuation).push_back(' ');
  }
  return places_
      .get(key, kept,
           [&](std::string_view wanted) {
             auto made = std::make_unique<FliteTokenInPlace>();
             made->key = wanted;
             made->expansion = expand(place, nullptr, kept);
             return made;
           })
      .entry->expansion;
}

Expansion FliteTokens::expand(const TokenPlace& place, bool* asked_others, Kept& kept) const {
  const Utterance utterance(new_utterance());
  if (asked_others != nullptr) watch_features(utterance.get());
  utt_init(utterance.get(), voice_);
  cst_relation* const tokens = utt_relation_create(utterance.get(), "Token");
  cst_item* self = nullptr;
  for (std::size_t i = 0; i < place.tokens.size(); ++i) {
    const TokenPlace::Neighbour& token = place.tokens[i];
    if (token.name.empty()) continue;
    cst_item* const item = relation_append(tokens, nullptr);
    item_set_string(item, "name", std::string(token.name).c_str());
    item_set_string(item, "whitespace", " ");
    item_set_string(item, "prepunctuation", "");
    item_set_string(item, "punc", std::string(token.punctuation).c_str());
    if (i == TokenPlace::kSelf) self = item;
  }

  watch = {self, false};
  cst_val* const list = val_itemfunc(feat_val(voice_->features, "tokentowords_func"))(self);
  if (asked_others != nullptr) *asked_others = watch.asked_others;
  watch = {};

  Expansion expansion;
  for (const cst_val* at = list; at != nullptr; at = val_cdr(at)) {
    const cst_val* word = val_car(at);
    bool before_break = false;
    if (cst_val_consp(word) != 0) {
      before_break = feat_present(val_features(val_cdr(word)), "break") != 0;
      word = val_car(word);
    }
    const Found<FliteWord> found = words_.find(val_string(word), kept);
    expansion.words.push_back({found.entry, before_break});
    expansion.cached &= found.cached;
  }
  delete_val(list);
  expansion.words.shrink_to_fit();
  expansion.punctuation = item_feat_string(self, "punc");
  return expansion;
}

}  // namespace flowtts
