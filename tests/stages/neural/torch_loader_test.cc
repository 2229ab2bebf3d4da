#include "stages/neural/torch_loader.h"

#include <cstdlib>

#include <doctest/doctest.h>

#include "stages/neural/shared_library.h"

TEST_CASE("The LibTorch part is loaded from beside the library when a runtime is asked for") {
  const auto runtime = flowtts::make_device_runtime("torch");
  if (runtime.is_error()) FAIL(runtime.error().message);
  const auto device = (*runtime)->start({flowtts::DeviceKind::kCpu, 0}, {});
  REQUIRE(device.ok());
  CHECK(device->total_bytes > 0);
}

TEST_CASE("What oneDNN keeps between sentences is enough for a voice's layers and lengths") {
  const auto module = flowtts::load_torch_module();
  REQUIRE(module.ok());
  const char* capacity = std::getenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY");
  REQUIRE(capacity != nullptr);
  CHECK(std::atoi(capacity) > 1024);  // oneDNN's own
}

TEST_CASE("The voice that FlowTTS comes with is opened through the module") {
  const auto runtime = flowtts::make_device_runtime("torch");
  REQUIRE(runtime.ok());
  const auto binding = (*runtime)->bind({});
  const auto voice = flowtts::read_voice("configs/voices/default.yaml", false);
  REQUIRE(voice.ok());
  const auto engine = flowtts::open_voice(*voice, {}, {});
  if (engine.is_error()) FAIL(engine.error().message);
  const std::vector<std::int64_t> tokens{51, 25 + 128, 13 + 64, 30, 35 + 64, 53};  // "hello"
  const flowtts::VoiceInput input{tokens, 0, 1.0, 0};
  const auto rows = (*engine)->speak({&input, 1}, 1);
  REQUIRE(rows.size() == 1);
  if (rows[0].is_error()) FAIL(rows[0].error().message);
  CHECK(rows[0]->samples.size() > 16000 / 10);
  CHECK(rows[0]->samples.size() < 16000 * 2);
}

TEST_CASE("A module that is not there is named, in the dynamic linker's words") {
  const auto handle = flowtts::open_module("libflowtts_absent.so");
  REQUIRE(handle.is_error());
  CHECK(handle.error().code == "module_missing");
  CHECK(handle.error().fatal);
  CHECK(handle.error().message.find("libflowtts_absent.so") != std::string::npos);
}
