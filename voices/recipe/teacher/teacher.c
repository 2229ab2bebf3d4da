// Speaks lines of text with a flite voice and writes what the training needs of each of them.
//
//   teacher VOICE SPEAKER TEXTS FIRST STEP SHARD [WAVS]
//
// Line numbers FIRST, FIRST + STEP, FIRST + 2*STEP, ... of TEXTS (from 0) are spoken by VOICE (slt,
// rms, awb, kal16) under the speaker number SPEAKER. SHARD appears when it is complete. With WAVS,
// a folder, the audio is also written there as VOICE_00012.wav.
//
// A shard is a row of records, all numbers little-endian:
//   int32 magic 0x46475231, line, speaker, T (tokens), N (samples), F (10 ms frames: ceil(N/160))
//   int16 token[T]
//   float end[T]       the token's end, seconds
//   float log_f0[F]    log of F0 in hertz at the frame's centre; lines drawn across unvoiced frames
//   uint8 voiced[F]
//   int16 sample[N]    16 kHz
//
// token = phone | stress << 6 | word_start << 7. Phones 1..50 are kPhones in order; 0 is padding.
// A pause is 51 at the start of the utterance, otherwise told apart by the punctuation before it:
// 48 none, 52 one of ,;:- 53 full stop, 54 question mark, 55 exclamation mark.

#include <flite/cst_ffeatures.h>
#include <flite/cst_track.h>
#include <flite/flite.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  kMagic = 0x46475231,
  kSampleRate = 16000,
  kFrameSamples = 160,
  kF0StepSamples = 80,  // flite's own F0 track has a value every 5 ms
  kMaxTokens = 8192,
  kMaxLine = 65536,
  kStressed = 1 << 6,
  kWordStart = 1 << 7,
  kPauseNoPunctuation = 48,
  kPauseInitial = 51,
  kPauseComma = 52,
  kPauseFullStop = 53,
  kPauseQuestion = 54,
  kPauseExclamation = 55,
};

static const float kLogF0WithoutVoice = 4.8f;  // an utterance with no voiced frame: 121 Hz
static const float kF0WithoutTarget = 120.0f;

cst_voice *register_cmu_us_slt(const char *);
cst_voice *register_cmu_us_rms(const char *);
cst_voice *register_cmu_us_awb(const char *);
cst_voice *register_cmu_us_kal16(const char *);

static const char *const kPhones[] = {
    "aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "b",  "ch", "d",  "dh",  "dx",
    "eh", "el", "em", "en", "er", "ey", "f",   "g",  "hh", "hv", "ih", "iy",  "jh",
    "k",  "l",  "m",  "n",  "nx", "ng", "ow",  "oy", "p",  "r",  "s",  "sh",  "t",
    "th", "uh", "uw", "v",  "w",  "y",  "z",   "zh", "pau", "h#", "brth"};

typedef struct {
  int count;
  int16_t token[kMaxTokens];
  float end[kMaxTokens];  // seconds
  int voiced[kMaxTokens];
} Segments;

static void die(const char *what, const char *which) {
  fprintf(stderr, "teacher: %s: %s\n", what, which);
  exit(1);
}

static void *allocate(size_t bytes) {
  void *memory = malloc(bytes);
  if (!memory) die("no memory", "allocation failed");
  return memory;
}

static cst_voice *find_voice(const char *name) {
  if (!strcmp(name, "slt")) return register_cmu_us_slt(NULL);
  if (!strcmp(name, "rms")) return register_cmu_us_rms(NULL);
  if (!strcmp(name, "awb")) return register_cmu_us_awb(NULL);
  if (!strcmp(name, "kal16")) return register_cmu_us_kal16(NULL);
  die("unknown voice (slt, rms, awb, kal16)", name);
  return NULL;
}

static int phone_number(const char *name) {
  for (size_t i = 0; i < sizeof kPhones / sizeof *kPhones; i++)
    if (!strcmp(kPhones[i], name)) return (int)i + 1;
  die("a phone outside the table", name);
  return 0;
}

static int pause_after(const char *punctuation) {
  if (strchr(punctuation, '?')) return kPauseQuestion;
  if (strchr(punctuation, '!')) return kPauseExclamation;
  if (strchr(punctuation, '.')) return kPauseFullStop;
  if (strpbrk(punctuation, ",;:-")) return kPauseComma;
  return kPauseNoPunctuation;
}

static int is_vowel(const cst_item *segment) {
  return !strcmp(ffeature_string(segment, "ph_vc"), "+");
}

static int16_t token_of(const cst_item *segment) {
  int phone = phone_number(item_feat_string(segment, "name"));
  if (phone == kPauseNoPunctuation) {
    if (!item_prev(segment)) return kPauseInitial;
    return (int16_t)pause_after(
        ffeature_string(segment, "p.R:SylStructure.parent.parent.R:Token.parent.punc"));
  }
  int flags = 0;
  if (is_vowel(segment) &&
      !strcmp(ffeature_string(segment, "R:SylStructure.parent.stress"), "1"))
    flags |= kStressed;
  const cst_item *in_syllable = item_as(segment, "SylStructure");
  if (in_syllable && !item_prev(in_syllable)) {
    const cst_item *syllable = item_parent(in_syllable);
    if (syllable && !item_prev(syllable)) flags |= kWordStart;
  }
  return (int16_t)(phone | flags);
}

static void read_segments(cst_utterance *utterance, Segments *out) {
  out->count = 0;
  const cst_item *segment = relation_head(utt_relation(utterance, "Segment"));
  for (; segment && out->count < kMaxTokens; segment = item_next(segment)) {
    int i = out->count++;
    out->token[i] = token_of(segment);
    out->end[i] = item_feat_float(segment, "end");
    out->voiced[i] = is_vowel(segment) || !strcmp(ffeature_string(segment, "ph_cvox"), "+");
  }
}

// The last token ends with the audio, and no token ends after its successor.
static void align_ends(Segments *segments, int samples) {
  int last = segments->count - 1;
  segments->end[last] = samples / (float)kSampleRate;
  for (int i = last - 1; i >= 0; i--)
    if (segments->end[i] > segments->end[i + 1]) segments->end[i] = segments->end[i + 1];
}

// F0 of the statistical voices (slt, rms, awb): flite keeps the track it synthesised from.
static float *f0_from_track(const cst_track *track, int *count) {
  *count = track->num_frames;
  float *f0 = allocate(sizeof(float) * (size_t)(*count + 1));
  for (int i = 0; i < *count; i++) f0[i] = track->frames[i][0];
  return f0;
}

// F0 of the diphone voice (kal16): straight lines between the intonation's targets, voiced phones.
static float *f0_from_targets(cst_utterance *utterance, const Segments *segments, int samples,
                              int *count) {
  *count = samples / kF0StepSamples + 1;
  float *f0 = allocate(sizeof(float) * (size_t)(*count + 1));
  const cst_item *target = relation_head(utt_relation(utterance, "Target"));
  float left_time = 0, left_f0 = kF0WithoutTarget;
  float right_time = left_time, right_f0 = left_f0;
  if (target) {
    right_time = item_feat_float(target, "pos");
    right_f0 = item_feat_float(target, "f0");
  }
  int segment = 0;
  for (int i = 0; i < *count; i++) {
    float time = (float)i * 0.005f;
    while (target && time > right_time) {
      left_time = right_time;
      left_f0 = right_f0;
      target = item_next(target);
      if (target) {
        right_time = item_feat_float(target, "pos");
        right_f0 = item_feat_float(target, "f0");
      }
    }
    float value = left_f0;
    if (target && right_time > left_time)
      value += (right_f0 - left_f0) * (time - left_time) / (right_time - left_time);
    while (segment < segments->count - 1 && segments->end[segment] < time) segment++;
    f0[i] = segments->voiced[segment] ? value : 0;
  }
  return f0;
}

static float *f0_of(cst_utterance *utterance, const Segments *segments, int samples, int *count) {
  if (feat_present(utterance->features, "param_track"))
    return f0_from_track(val_track(utt_feat_val(utterance, "param_track")), count);
  return f0_from_targets(utterance, segments, samples, count);
}

// Draws lines across the unvoiced frames, and holds the first and last voiced value at the ends.
static void fill_unvoiced(float *log_f0, const uint8_t *voiced, int frames) {
  int last = -1;
  for (int i = 0; i < frames; i++) {
    if (!voiced[i]) continue;
    for (int j = last + 1; j < i; j++)
      log_f0[j] = last < 0 ? log_f0[i]
                           : log_f0[last] + (log_f0[i] - log_f0[last]) * (float)(j - last) /
                                                (float)(i - last);
    last = i;
  }
  for (int j = last + 1; j < frames; j++) log_f0[j] = last < 0 ? kLogF0WithoutVoice : log_f0[last];
}

static void write_record(FILE *out, int line, int speaker, cst_utterance *utterance,
                         Segments *segments) {
  const cst_wave *wave = utt_wave(utterance);
  int samples = wave->num_samples, f0_count;
  int frames = (samples + kFrameSamples - 1) / kFrameSamples;
  if (frames < 1 || segments->count < 1) return;
  float *f0 = f0_of(utterance, segments, samples, &f0_count);
  float *log_f0 = allocate(sizeof(float) * (size_t)frames);
  uint8_t *voiced = allocate((size_t)frames);
  for (int i = 0; i < frames; i++) {
    int centre = 2 * i + 1 < f0_count ? 2 * i + 1 : f0_count - 1;
    voiced[i] = f0[centre] > 0;
    log_f0[i] = voiced[i] ? logf(f0[centre]) : 0;
  }
  fill_unvoiced(log_f0, voiced, frames);
  align_ends(segments, samples);

  int32_t header[6] = {kMagic, line, speaker, segments->count, samples, frames};
  fwrite(header, sizeof *header, 6, out);
  fwrite(segments->token, sizeof *segments->token, (size_t)segments->count, out);
  fwrite(segments->end, sizeof *segments->end, (size_t)segments->count, out);
  fwrite(log_f0, sizeof *log_f0, (size_t)frames, out);
  fwrite(voiced, sizeof *voiced, (size_t)frames, out);
  fwrite(wave->samples, sizeof *wave->samples, (size_t)samples, out);
  free(f0);
  free(log_f0);
  free(voiced);
}

int main(int argc, char **argv) {
  if (argc < 7) {
    fprintf(stderr, "usage: teacher VOICE SPEAKER TEXTS FIRST STEP SHARD [WAVS]\n");
    return 2;
  }
  const char *voice_name = argv[1], *shard = argv[6], *wavs = argc > 7 ? argv[7] : NULL;
  int speaker = atoi(argv[2]), first = atoi(argv[4]), step = atoi(argv[5]);
  if (step < 1) die("STEP must be at least 1", argv[5]);

  flite_init();
  cst_voice *voice = find_voice(voice_name);
  static char unfinished[4096], wav[4096], line[kMaxLine];
  snprintf(unfinished, sizeof unfinished, "%s.part", shard);
  FILE *texts = fopen(argv[3], "r");
  if (!texts) die("cannot read", argv[3]);
  FILE *out = fopen(unfinished, "wb");
  if (!out) die("cannot write", unfinished);

  static Segments segments;
  for (int number = 0; fgets(line, sizeof line, texts); number++) {
    line[strcspn(line, "\n")] = 0;
    if (number < first || (number - first) % step || !line[0]) continue;
    cst_utterance *utterance = flite_synth_text(line, voice);
    if (!utterance) continue;
    if (utt_wave(utterance)->sample_rate != kSampleRate) die("not at 16 kHz", voice_name);
    if (wavs) {
      snprintf(wav, sizeof wav, "%s/%s_%05d.wav", wavs, voice_name, number);
      cst_wave_save_riff(utt_wave(utterance), wav);
    }
    read_segments(utterance, &segments);
    write_record(out, number, speaker, utterance, &segments);
    delete_utterance(utterance);
  }
  fclose(texts);
  if (ferror(out) || fclose(out) || rename(unfinished, shard)) die("cannot write", shard);
  return 0;
}
