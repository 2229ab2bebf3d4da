#pragma once

#include <flowtts/stage_adapter.h>
#include <flowtts/stage_base.h>

/// What the author of a stage includes: the base class of each kind of stage, and `FLOWTTS_STAGE`.
///
/// A stage is a default-constructible, copyable struct that derives from one of the bases below,
/// declares itself in `static void describe(Spec<T>&)` and has the one method that its base names.
/// Any stage may also have these, each called if it is there:
///
///     void check(Checker&) const;                     // parameters are set; says what is wrong
///     with
///                                                     // them. Quick, changes nothing in the
///                                                     world.
///     std::optional<Error> open(const RunContext&);   // once, before the run's first item
///     std::optional<Error> close();                   // once, after the run's last item
///     double growth() const;                          // bytes out for a byte in, a high estimate
///
/// Lifecycle: constructed, parameters set, `check`, `open`, `process` as often as there are items,
/// `close`. `close` is also called when a run ends early, on whatever was opened.
///
/// Threads: `process` is called on `concurrency` threads at once on one object, so it is const,
/// unless the spec says `serial()`: then calls come one after another. `open` and `close` come from
/// one thread while nothing else runs.
///
/// Errors: `process` returns what it made, `Filtered{reason}`, or `Error{code, message}`. An
/// exception that leaves it is taken as an `Error` of that item.

/// Registers a stage type under the name that its spec gives, before main or when its library is
/// loaded. Once a stage, in a .cc file.
#define FLOWTTS_STAGE(Type) \
  static const ::flowtts::StageRegistration<Type> flowtts_registration_of_##Type;
