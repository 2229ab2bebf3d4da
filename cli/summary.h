#pragma once

#include <string>

#include <flowtts/run.h>

namespace flowtts::cli {

/// What a finished run came to: ledgers, reasons, devices, where everything is and, where something
/// went wrong, what to do next. Looks into the output folder for what there is to name.
std::string run_summary(const Pipeline& pipeline, const RunReport& report, bool colour);

/// "records: read 200 = written 150 + filtered 45 + failed 5"
std::string ledger_line(const std::string& name, const Ledger& ledger);

}  // namespace flowtts::cli
