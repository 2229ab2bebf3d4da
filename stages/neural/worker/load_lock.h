#pragma once

#include <filesystem>
#include <stop_token>

namespace flowtts {

/// Held while a worker loads its model. Models build things in their folders on an exists-check
/// (CosyVoice's TensorRT plan), and processes that start together would race for it.
///
/// The first load of a model in this process is alone on the machine; once one has gone well, later
/// ones only keep out those who want to be alone. Locks belong to open files, so they go with the
/// process whatever becomes of it. Where no lock file can be had, loads are not put in order.
class LoadLock {
 public:
  /// Waits for its turn; gives up when told to.
  /// \param model what is loaded: a model's folder or a voice file; by its path all agree.
  LoadLock(const std::filesystem::path& model, const std::stop_token& stop);
  ~LoadLock();
  LoadLock(const LoadLock&) = delete;
  LoadLock& operator=(const LoadLock&) = delete;

  bool held() const { return held_; }
  /// The load has gone well: whatever is built is there.
  void loaded();

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
  bool alone_ = true;
  bool held_ = false;
};

}  // namespace flowtts
