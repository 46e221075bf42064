// SPDX-License-Identifier: Apache-2.0
#pragma once

// Adding a line to a log that many processes write at once.

#include <string>
#include <string_view>

namespace sinter {

/// Appends `line`, which ends with its newline, by one write(2) in append mode, so that lines of many processes do not
/// mix; makes the file (mode 0644) if it is missing. It is opened for each line: it may be moved away at any time.
/// A named pipe that nobody reads is an error and not a wait. Returns 0 or an errno; ENOSPC for a line that was cut
/// short. Thread-safe.
int append_line(const std::string& path, std::string_view line);

/// The same to a file that is open for appending. A named pipe whose reader has left is EPIPE, and no signal to the
/// host. Allocates nothing.
int append_line(int descriptor, std::string_view line);

}  // namespace sinter
