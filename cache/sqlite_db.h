// SPDX-License-Identifier: Apache-2.0
#pragma once

// SQLite with owners and values: a connection, a statement and a transaction that clean up after themselves, and its
// result codes sorted by what the cache does about them. The only file that calls SQLite's C functions is
// sqlite_db.cpp.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

struct sqlite3;
struct sqlite3_stmt;

namespace sinter {

class WriteTurn;

/// SQLite's extended result code; 0 is success.
struct DbStatus {
  int code = 0;
  int system_errno = 0;  ///< Of the failing system call, where SQLite knows it; else 0.

  bool ok() const { return code == 0; }
  /// The file is not what SQLite, or this schema, would have written: set it aside. Waiting or retrying will not help.
  bool is_damage() const;
  /// Others hold the database; later it may work.
  bool is_busy() const;
  /// "database or disk is full (13)", with the system's reason where known.
  std::string text() const;

  static DbStatus damage();       ///< Damage that only we can see.
  static DbStatus unavailable();  ///< SQLite's code for a database that cannot be opened.
  static DbStatus busy();         ///< SQLite's code for a database that others hold.
};

/// SQLite's numbers of its fundamental types.
enum class ColumnType : std::uint8_t { kInteger = 1, kReal = 2, kText = 3, kBlob = 4, kNull = 5 };

enum class Step : std::uint8_t { kRow, kDone, kFailed };

/// A prepared statement. REQUIRES: it dies before its Database.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept
      : statement_(std::exchange(other.statement_, nullptr)), status_(other.status_) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(statement_, other.statement_);
    std::swap(status_, other.status_);
    return *this;
  }
  ~Statement();

  bool is_prepared() const { return statement_ != nullptr; }

  /// Parameters count from 1. What is bound by reference must live until reset().
  void bind(int parameter, std::span<const std::byte> value);
  void bind(int parameter, std::string_view value);
  void bind(int parameter, std::int64_t value);
  void bind(int parameter, double value);

  /// The next row. A failed bind fails here.
  Step step();
  DbStatus status() const { return status_; }  ///< Why step() said kFailed.

  /// Columns count from 0; valid until the next step() or reset().
  ColumnType column_type(int column) const;
  std::span<const std::byte> column_bytes(int column) const;
  std::string_view column_text(int column) const;
  std::int64_t column_integer(int column) const;
  double column_real(int column) const;
  std::string_view column_name(int column) const;

  /// Ends the execution, lets go of locks and bound values.
  void reset();

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  void note(int code);

  sqlite3_stmt* statement_ = nullptr;
  DbStatus status_;
};

/// Resets a statement on every way out of a scope.
class StatementScope {
 public:
  explicit StatementScope(Statement& statement) : statement_(statement) {}
  ~StatementScope() { statement_.reset(); }
  StatementScope(const StatementScope&) = delete;
  StatementScope& operator=(const StatementScope&) = delete;

 private:
  Statement& statement_;
};

enum class OpenMode : std::uint8_t {
  kReadWrite,  ///< Made if missing.
  kReadOnly,
  kImmutable,  ///< Read-only on a medium that nobody can write now: without locks and shared memory.
};

/// One connection. Used by one thread at a time and only by the process that opened it.
class Database {
 public:
  Database();
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  /// Closes, except in a child of fork, where that would hurt the parent's locks: there it is left alone.
  ~Database();

  /// Opens `path` with the limits and defences that a file from anywhere needs: no triggers, no views, no functions
  /// from the schema, no row beyond kMaxRowBytes.
  ///
  /// SQLite keeps a table of locks per process that a fork would copy without the locks. While a connection that was
  /// opened before a fork is inherited, every open in the child therefore fails with is_inherited().
  static DbStatus open(const std::string& path, OpenMode mode, Database& out);

  /// True if this process is a child of fork and its parent had a connection open then.
  static bool is_inherited();

  /// The right to open and close a database's file without SQLite for as long as this lives. There is none while a
  /// connection is open in this process, since the kernel ends a process's locks on a file when any descriptor of it is
  /// closed. Opening a connection waits until the last one is gone, so it must not live longer than some reads.
  class DirectRead {
   public:
    DirectRead();
    ~DirectRead();
    DirectRead(const DirectRead&) = delete;
    DirectRead& operator=(const DirectRead&) = delete;
    bool is_allowed() const { return is_allowed_; }

   private:
    bool is_allowed_;
  };

  /// Bounds how long all calls until the next start_operation() may wait together for other processes' locks.
  void start_operation(std::chrono::milliseconds longest_wait);

  /// From now on write transactions wait for their turn at this file first, for as long as start_operation() lets them.
  void take_turns_at(std::string lock_file);

  /// Pages in the write-ahead log after this connection's last commit. A commit that leaves kMaxLogPages moves them into
  /// the file itself; before that, it is for somebody to whom a flush of the disk does not matter.
  int log_pages() const;
  static constexpr int kMaxLogPages = 16384;
  /// Moves what no reader needs any more from the write-ahead log into the file. Waits for nobody.
  DbStatus checkpoint();

  DbStatus prepare(std::string_view sql, Statement& out);
  /// Runs statements that give no rows, or rows that do not matter.
  DbStatus execute(const char* sql);
  /// The integer in the first column of the first row.
  DbStatus query_integer(std::string_view sql, std::int64_t& out);
  /// The text in the first column of the first row.
  DbStatus query_text(std::string_view sql, std::string& out);

  /// Rows that the last statement changed, inserted or deleted.
  std::int64_t changed_rows() const;

  /// True if SQLite will not write this file, because it was opened so or its header says so.
  bool is_read_only() const;
  bool is_open() const { return handle_ != nullptr; }

  /// Leaves what is in the write-ahead log there when this connection closes.
  void skip_checkpoint_on_close();

  static constexpr std::int64_t kMaxRowBytes = std::int64_t{64} << 20;

 private:
  friend class Transaction;
  struct Waiter;
  void close();

  sqlite3* handle_ = nullptr;
  std::unique_ptr<Waiter> waiter_;
  std::unique_ptr<WriteTurn> turn_;
  int process_ = 0;  // The pid that opened it.
};

/// Rolled back at the end of its scope unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  DbStatus begin_write();
  DbStatus begin_read();  ///< All reads until the end of the scope see one state.
  DbStatus commit();

 private:
  DbStatus begin(const char* sql);
  void end_turn();

  Database& database_;
  bool open_ = false;
};

}  // namespace sinter
