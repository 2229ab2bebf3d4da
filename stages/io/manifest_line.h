#pragma once

#include <string>
#include <string_view>

#include <flowtts/item.h>
#include <flowtts/payloads.h>
#include <flowtts/stage_base.h>

namespace flowtts {

/// A record's line of the manifest, without its line break: the record in the shape in which the
/// input had it, and what was made of it.
///
///     {"index":12,"id":"a","image":"a.jpg","conversations":[
///       {"from":"human","value":"<image>\nWhat?","spoken":"What?","sentences":[
///         {"text":"What?","spoken":"What?","audio":"audio/3f/sft_a_0_0.wav","sample_rate":22050,
///          "samples":48213,"seconds":2.186531,"peak":0.52,"bytes":96470,
///          "xxh3":"8d0c...","speaker":"slt","seed":123,"voice":"default@3f2a"},
///         {"text":"*","spoken":"*","status":"filtered","stage":"phonemize","reason":"unspeakable"},
///         {"text":"Why?","spoken":"Why?","status":"failed","stage":"write","error":"write_failed",
///          "message":"..."}]}],
///      "status":"failed"}
///
/// "clipped" stands beside "peak" where samples were clipped. The record's status is "failed" where
/// any of its items failed, else "written" where any was written, else "filtered"; where the record
/// as a whole ended, "stage" and "reason", or "error" and "message", say why. A record that could
/// not be read has its place in the input ("offset", bytes). What was not made from a sentence
/// stands in the record's "files".
///
/// A member of the input with a name that is taken is written as "input_index", "input_status" and
/// so on. The same record and items give the same line, in whatever order the items arrived.
/// \param more further members of the record as JSON (`"shard":{...}`), before its status.
std::string manifest_line(const RecordKey& record, const Gathered<AudioFile>& gathered,
                          std::string_view more = {});

}  // namespace flowtts
