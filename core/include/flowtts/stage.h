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
///     std::optional<Error> commit() const;            // what was written before the call lasts
///     std::optional<Error> close();                   // once, after the run's last item
///     double growth() const;                          // bytes out for a byte in, a high estimate
///     std::string content() const;                    // a hash of the files that it reads
///
/// Lifecycle: constructed, parameters set, `check`, `content`, `open`, `process` as often as there
/// are items, `close`. `close` is also called when a run ends early, on whatever was opened.
///
/// Going on: a run that was interrupted goes on in its folder. A record counts as done once every
/// stage has returned from a `commit` that was called after the record had settled: by then all
/// that `process` has written for it must last through a power cut. A stage that writes nothing has
/// none. A resumed run must make what an undisturbed one makes, so the files that a stage reads
/// belong to what is compared: `content` tells them apart, and a parameter that does not change
/// results is declared `neutral()`. What a stage finds in the folder when it is opened: see
/// EarlierSessions.
///
/// Threads: `commit` is called on a thread of its own, one call at a time, while `process` goes on.
/// `process` is called on `concurrency` threads at once on one object, so it is const,
/// unless the spec says `serial()`: then calls come one after another. `open` and `close` come from
/// one thread while nothing else runs.
///
/// Errors: `process` returns what it made, `Filtered{reason}`, or `Error{code, message}`. An
/// exception that leaves it is taken as an `Error` of that item.

/// Registers a stage type under the name that its spec gives, before main or when its library is
/// loaded. Once a stage, in a .cc file.
#define FLOWTTS_STAGE(Type) \
  static const ::flowtts::StageRegistration<Type> flowtts_registration_of_##Type;
