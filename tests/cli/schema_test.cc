#include "cli/schema.h"

#include <doctest/doctest.h>
#include <rapidjson/document.h>
#include <rapidjson/pointer.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "tests/cli/test_stages.h"

using namespace flowtts;
using namespace flowtts::cli;

namespace {

/// The schema's part at a JSON pointer, as compact JSON; empty where there is none.
std::string at(const char* pointer) {
  rapidjson::Document schema;
  schema.Parse(pipeline_schema(test::registry()).c_str());
  REQUIRE_FALSE(schema.HasParseError());
  const rapidjson::Value* value = rapidjson::Pointer(pointer).Get(schema);
  if (!value) return "";
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value->Accept(writer);
  return buffer.GetString();
}

}  // namespace

TEST_CASE("the schema says of every parameter its type, range, choices, default and meaning") {
  const std::string weigh = "/definitions/stage/allOf/2/then/properties/with/properties/";
  CHECK(at((weigh + "factor").c_str()) ==
        R"({"description":"Times this.","anyOf":[{"type":"number","minimum":0,"maximum":1},)"
        R"({"$ref":"#/definitions/variable"}],"default":0.5})");
  CHECK(at((weigh + "most").c_str()) ==
        R"~({"description":"The most. (words)","anyOf":[{"type":"integer","minimum":2},)~"
        R"({"$ref":"#/definitions/variable"}],"default":40,"examples":["12"]})");
  CHECK(at((weigh + "unit").c_str()) ==
        R"({"description":"In which unit.","anyOf":[{"enum":["kg","lb"]},)"
        R"({"$ref":"#/definitions/variable"}],"default":"kg"})");
  CHECK(at((weigh + "strict/anyOf/0").c_str()) == R"({"type":"boolean"})");
  CHECK(at((weigh + "label/type").c_str()) == R"(["string","number","boolean"])");
  CHECK(at((weigh + "room/default").c_str()) == R"("1MiB")");
  CHECK(at((weigh + "roles/default").c_str()) == R"(["human"])");
  CHECK(at((weigh + "limit/default").c_str()).empty());
}

TEST_CASE("the schema requires what the compiler requires, and refuses keys that have no place") {
  CHECK(at("/required") == R"(["flowtts","stages"])");
  CHECK(at("/additionalProperties") == "false");
  CHECK(at("/definitions/stage/additionalProperties") == "false");
  CHECK(at("/definitions/stage/properties/type/enum") == R"(["forget","read_gauge","weigh"])");
  const std::string forget = "/definitions/stage/allOf/0/then/";
  CHECK(at((forget + "required").c_str()).empty());
  CHECK(at((forget + "properties/lanes").c_str()) == "false");
  CHECK(at((forget + "properties/with/additionalProperties").c_str()) == "false");
  const std::string read = "/definitions/stage/allOf/1/then/";
  CHECK(at((read + "required").c_str()) == R"(["with"])");
  CHECK(at((read + "properties/with/required").c_str()) == R"(["path"])");
  CHECK(at("/definitions/stage/allOf/2/then/properties/concurrency") == "false");
  CHECK(at("/properties/run/properties/on_error/properties/retries/default") == "2");
}

TEST_CASE("JSON is indented outside its strings only") {
  CHECK(indented_json(R"({"a":[1,{}],"b":"x{,:\"]","c":[]})") ==
        "{\n"
        "  \"a\": [\n"
        "    1,\n"
        "    {}\n"
        "  ],\n"
        "  \"b\": \"x{,:\\\"]\",\n"
        "  \"c\": []\n"
        "}\n");
}
