// SPDX-License-Identifier: Apache-2.0
#include "cache/sqlite_db.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/check.h"
#include "base/file.h"
#include "cache/write_turn.h"

namespace sinter {
namespace {

/// Who uses databases in this process: a pid in the upper half, then 16 bits each for direct reads and connections.
///
/// Process-wide, because what it guards is: SQLite's own table of open files and locks, which a fork copies while the
/// kernel's locks stay with the parent, and which a descriptor that SQLite does not know would undo.
std::atomic<std::uint64_t> users{0};

constexpr std::uint64_t kOneConnection = 1;
constexpr std::uint64_t kOneDirectRead = 1 << 16;

std::uint32_t current_process() { return static_cast<std::uint32_t>(getpid()); }
std::uint32_t process_of(std::uint64_t state) { return static_cast<std::uint32_t>(state >> 32); }
std::uint32_t connections_of(std::uint64_t state) { return state & 0xffff; }
std::uint32_t direct_reads_of(std::uint64_t state) { return state >> 16 & 0xffff; }

/// The state as this process has to see it: direct reads of a parent are not its own.
std::uint64_t own(std::uint64_t state) {
  return process_of(state) == current_process() ? state : std::uint64_t{current_process()} << 32;
}

bool is_inherited_state(std::uint64_t state) {
  return connections_of(state) != 0 && process_of(state) != current_process();
}

/// False in a child whose parent had connections open. Else no direct read is going on, or begins.
bool register_connection() {
  for (std::uint64_t state = users.load();;) {
    if (is_inherited_state(state)) {
      return false;
    }
    if (users.compare_exchange_weak(state, own(state) + kOneConnection)) {
      break;
    }
  }
  while (direct_reads_of(users.load()) != 0) {
    std::this_thread::yield();
  }
  return true;
}

void unregister_connection() { users.fetch_sub(kOneConnection); }

DbStatus status_of(sqlite3* handle, int code) {
  DbStatus status{code, 0};
  const int primary = code & 0xff;
  if (handle != nullptr && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN)) {
    status.system_errno = sqlite3_system_errno(handle);
  }
  return status;
}

/// A file that was made by somebody else must not make SQLite run what it names.
void distrust(sqlite3* handle) {
  sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, static_cast<int>(Database::kMaxRowBytes));
  sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
}

/// SQLite deletes a write-ahead log by its path when the last connection closes. It looks first whether the database
/// was renamed, but a successor can appear between the look and the deletion: so the log is kept (and emptied instead).
void keep_log_on_close(sqlite3* handle) {
  int persist = 1;
  sqlite3_file_control(handle, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
}

}  // namespace

bool DbStatus::is_damage() const {
  if (code == SQLITE_IOERR_SHORT_READ || code == SQLITE_IOERR_CORRUPTFS) {
    return true;
  }
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_ERROR:       // A table or column of the schema is gone, or its text is garbled.
    case SQLITE_CONSTRAINT:  // No statement of ours violates one on an intact index.
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:  // Nothing that large is ever written.
      return true;
    default:
      return false;
  }
}

bool DbStatus::is_busy() const {
  const int primary = code & 0xff;
  return primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_PROTOCOL;
}

std::string DbStatus::text() const {
  if (system_errno != 0) {
    return fmt::format("{} ({}): {}", sqlite3_errstr(code), code, errno_text(system_errno));
  }
  return fmt::format("{} ({})", sqlite3_errstr(code), code);
}

DbStatus DbStatus::damage() { return {SQLITE_CORRUPT, 0}; }
DbStatus DbStatus::unavailable() { return {SQLITE_CANTOPEN, 0}; }
DbStatus DbStatus::busy() { return {SQLITE_BUSY, 0}; }

static_assert(static_cast<int>(ColumnType::kInteger) == SQLITE_INTEGER &&
              static_cast<int>(ColumnType::kReal) == SQLITE_FLOAT &&
              static_cast<int>(ColumnType::kText) == SQLITE_TEXT &&
              static_cast<int>(ColumnType::kBlob) == SQLITE_BLOB && static_cast<int>(ColumnType::kNull) == SQLITE_NULL);

// --- Statement ---

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::note(int code) {
  if (status_.ok() && code != SQLITE_OK) {
    status_ = status_of(sqlite3_db_handle(statement_), code);
  }
}

void Statement::bind(int parameter, std::span<const std::byte> value) {
  // A null pointer would bind NULL, not an empty blob.
  const void* data = value.empty() ? "" : static_cast<const void*>(value.data());
  note(sqlite3_bind_blob64(statement_, parameter, data, value.size(), SQLITE_STATIC));
}

void Statement::bind(int parameter, std::string_view value) {
  const char* data = value.empty() ? "" : value.data();
  note(sqlite3_bind_text64(statement_, parameter, data, value.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void Statement::bind(int parameter, std::int64_t value) { note(sqlite3_bind_int64(statement_, parameter, value)); }
void Statement::bind(int parameter, double value) { note(sqlite3_bind_double(statement_, parameter, value)); }

Step Statement::step() {
  if (!status_.ok()) {
    return Step::kFailed;
  }
  switch (const int code = sqlite3_step(statement_)) {
    case SQLITE_ROW: return Step::kRow;
    case SQLITE_DONE: return Step::kDone;
    default: note(code); return Step::kFailed;
  }
}

ColumnType Statement::column_type(int column) const {
  return static_cast<ColumnType>(sqlite3_column_type(statement_, column));
}

std::span<const std::byte> Statement::column_bytes(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  return {data, data == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::string_view Statement::column_text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return {data, data == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::int64_t Statement::column_integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::column_real(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view Statement::column_name(int column) const {
  const char* name = sqlite3_column_name(statement_, column);
  return name == nullptr ? std::string_view() : name;
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  status_ = {};
}

// --- Database ---

/// Waits for other processes' locks: short naps that double, with jitter so that many waiters spread out.
struct Database::Waiter {
  std::chrono::steady_clock::time_point deadline{};
  std::uint32_t random = 0;
  int log_pages = 0;

  static int on_commit(void* self, sqlite3* handle, const char* name, int pages) {
    static_cast<Waiter*>(self)->log_pages = pages;
    if (pages >= kMaxLogPages) {
      sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    }
    return SQLITE_OK;  // The commit has succeeded whatever became of the log.
  }
  static int on_busy(void* self, int attempt) {
    auto& waiter = *static_cast<Waiter*>(self);
    if (std::chrono::steady_clock::now() >= waiter.deadline) {
      return 0;
    }
    waiter.random = waiter.random * 1664525u + 1013904223u;  // Numerical Recipes' generator: any spread will do.
    const std::int64_t longest = std::min<std::int64_t>(std::int64_t{100} << std::min(attempt, 4), 1'600);
    const std::int64_t nap = longest / 2 + static_cast<std::int64_t>(waiter.random >> 8) % (longest / 2 + 1);
    std::this_thread::sleep_for(std::chrono::microseconds(nap));
    return 1;
  }
};

Database::Database() = default;

Database::Database(Database&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      waiter_(std::move(other.waiter_)),
      turn_(std::move(other.turn_)),
      process_(other.process_) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(waiter_, other.waiter_);
  std::swap(turn_, other.turn_);
  std::swap(process_, other.process_);
  return *this;
}

Database::~Database() { close(); }

void Database::close() {
  if (handle_ == nullptr) {
    return;
  }
  if (process_ != getpid()) {
    // Closing would end locks and shared memory of the parent, so the child keeps the memory until it exits.
    handle_ = nullptr;
    (void)waiter_.release();
    (void)turn_.release();
    return;
  }
  const int code = sqlite3_close(handle_);
  SINTER_CHECK(code == SQLITE_OK, "a statement outlived its connection");
  handle_ = nullptr;
  unregister_connection();
}

void Database::skip_checkpoint_on_close() { sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr); }

bool Database::is_inherited() { return is_inherited_state(users.load()); }

Database::DirectRead::DirectRead() : is_allowed_(false) {
  for (std::uint64_t state = users.load(); connections_of(state) == 0 && !is_allowed_;) {
    is_allowed_ = users.compare_exchange_weak(state, own(state) + kOneDirectRead);
  }
}

Database::DirectRead::~DirectRead() {
  if (is_allowed_) {
    users.fetch_sub(kOneDirectRead);
  }
}

DbStatus Database::open(const std::string& path, OpenMode mode, Database& out) {
  if (!register_connection()) {
    return DbStatus::unavailable();
  }
  Database database;
  database.process_ = getpid();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
  flags |= mode == OpenMode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  std::string name = path;
  if (mode == OpenMode::kImmutable) {
    flags |= SQLITE_OPEN_URI;
    name = "file:";
    for (const char c : path) {
      name += (c == '%' || c == '?' || c == '#') ? fmt::format("%{:02x}", static_cast<unsigned char>(c))
                                                 : std::string(1, c);
    }
    name += "?immutable=1";
  }
  const int code = sqlite3_open_v2(name.c_str(), &database.handle_, flags, nullptr);
  if (database.handle_ == nullptr) {  // Out of memory.
    unregister_connection();
    return {code, 0};
  }
  if (code != SQLITE_OK) {
    return status_of(database.handle_, code);
  }
  distrust(database.handle_);
  keep_log_on_close(database.handle_);
  database.waiter_ = std::make_unique<Waiter>();
  database.waiter_->random =
      current_process() ^ static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&database));
  sqlite3_busy_handler(database.handle_, &Waiter::on_busy, database.waiter_.get());
  sqlite3_wal_hook(database.handle_, &Waiter::on_commit, database.waiter_.get());
  out = std::move(database);
  return {};
}

void Database::start_operation(std::chrono::milliseconds longest_wait) {
  waiter_->deadline = std::chrono::steady_clock::now() + longest_wait;
}

void Database::take_turns_at(std::string lock_file) { turn_ = std::make_unique<WriteTurn>(std::move(lock_file)); }

int Database::log_pages() const { return waiter_->log_pages; }

DbStatus Database::checkpoint() {
  const int code = sqlite3_wal_checkpoint_v2(handle_, "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  return (code & 0xff) == SQLITE_BUSY ? DbStatus() : status_of(handle_, code);
}

DbStatus Database::prepare(std::string_view sql, Statement& out) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  out = Statement(statement);
  return status_of(handle_, code);
}

DbStatus Database::execute(const char* sql) {
  return status_of(handle_, sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr));
}

DbStatus Database::query_integer(std::string_view sql, std::int64_t& out) {
  Statement statement;
  if (const DbStatus status = prepare(sql, statement); !status.ok()) {
    return status;
  }
  switch (statement.step()) {
    case Step::kRow: out = statement.column_integer(0); return {};
    case Step::kDone: return DbStatus::damage();
    case Step::kFailed: break;
  }
  return statement.status();
}

DbStatus Database::query_text(std::string_view sql, std::string& out) {
  Statement statement;
  if (const DbStatus status = prepare(sql, statement); !status.ok()) {
    return status;
  }
  switch (statement.step()) {
    case Step::kRow: out = statement.column_text(0); return {};
    case Step::kDone: return DbStatus::damage();
    case Step::kFailed: break;
  }
  return statement.status();
}

std::int64_t Database::changed_rows() const { return sqlite3_changes64(handle_); }

bool Database::is_read_only() const { return sqlite3_db_readonly(handle_, "main") == 1; }

// --- Transaction ---

DbStatus Transaction::begin_write() {
  if (database_.turn_ != nullptr) {
    database_.turn_->take(database_.waiter_->deadline);
  }
  return begin("BEGIN IMMEDIATE");
}
DbStatus Transaction::begin_read() { return begin("BEGIN"); }

DbStatus Transaction::begin(const char* sql) {
  const DbStatus status = database_.execute(sql);
  open_ = status.ok();
  return status;
}

DbStatus Transaction::commit() {
  const DbStatus status = database_.execute("COMMIT");
  open_ = !status.ok();
  if (!open_) {
    end_turn();
  }
  return status;
}

Transaction::~Transaction() {
  if (open_) {
    database_.execute("ROLLBACK");  // Fails only if SQLite has rolled back by itself already.
  }
  end_turn();
}

void Transaction::end_turn() {
  if (database_.turn_ != nullptr) {
    database_.turn_->give_back();
  }
}

}  // namespace sinter
