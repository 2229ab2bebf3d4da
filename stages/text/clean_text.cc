#include <utility>

#include <flowtts/payloads.h>
#include <flowtts/stage.h>

#include "stages/text/text_cleaner.h"

namespace flowtts {

/// Turns what each turn says into what is to be spoken of it.
struct CleanText final : Map<Conversation, Conversation>, CleanOptions {
  static void describe(Spec<CleanText>& spec) {
    spec.name("clean_text")
        .summary("Takes out or puts into words what nobody wants to hear.")
        .doc(
            "Works on what is spoken of each turn; the original text stays beside it, so that the "
            "dataset stays aligned with its input. Cleaning a clean text changes nothing. Each "
            "rule below can be switched off. The only words that are put in are those that "
            "`latex` and `urls` name.\n\n"
            "A text of nothing but what is taken out (a box, a tag, a table) becomes empty and is "
            "not spoken.")
        .param("image_tags", &CleanText::image_tags,
               "Takes out `<image>`, `<video>`, `<image_1>`, `<|audio|>` and their kin, wherever "
               "they are.")
        .param("instructions", &CleanText::instructions,
               "Takes out sentences of a fixed list that only say how an answer is to be formatted "
               "(\"Answer the question using a single word or phrase.\", \"Answer with the "
               "option's letter from the given choices directly.\"), and a last line \"Answer:\".")
        .param("ocr", &CleanText::ocr, "Takes out `Reference OCR token: ...` up to the line's end.")
        .param("boxes", &CleanText::boxes,
               "Takes out coordinates of boxes: `[0.04, 0.57, 0.63, 0.71]`, `(12,40),(80,93)`.")
        .param("code", &CleanText::code,
               "Takes out fenced code blocks; of inline code the words are spoken.")
        .param("latex", &CleanText::latex,
               "Puts short simple formulas into words (plus, minus, times, divided by, over, "
               "equals, squared, cubed, to the power of, the square root of, degrees, percent, "
               "less than, greater than, or equal to, not equal to, approximately, plus or minus, "
               "sine, cosine, tangent, log, angle, triangle, infinity, Greek letters) and takes "
               "out all others.")
        .param("urls", &CleanText::urls,
               "Keeps the host of a web address; says \"at\" in an e-mail address.")
        .param("tables", &CleanText::tables, "Takes out Markdown and HTML tables.")
        .param("markdown", &CleanText::markdown,
               "Takes out Markdown's marks and keeps their text; images and footnote marks go.")
        .param("html", &CleanText::html,
               "Takes out HTML tags, scripts, styles and comments; entities become characters.")
        .param("options", &CleanText::options,
               "Makes a sentence of each answer option (`A. cat`, `(B) dog`, each on a line).")
        .param("lists", &CleanText::lists,
               "Makes a sentence of each item of a list; bullets go, numbers stay.")
        .param("emoji", &CleanText::emoji, "Takes out emoji.")
        .param("invisible", &CleanText::invisible,
               "Takes out zero-width and other characters that show nothing.")
        .param("whitespace", &CleanText::whitespace,
               "Makes one line of the text, with a full stop where a paragraph, a heading or a "
               "short line ended without punctuation.");
  }

  Conversation process(Conversation conversation, const Item&) const {
    for (Turn& turn : conversation.turns) turn.spoken = clean_text(turn.spoken, *this);
    return conversation;
  }

  double growth() const { return 1.2; }  // Formulas in words are longer.
};

FLOWTTS_STAGE(CleanText)

}  // namespace flowtts
