/* SPDX-License-Identifier: MIT
 *
 * perigee.fs: small files, for trusted scripts only. Everything here blocks the loop for the time
 * of the system call, so it is not for big data. What changes a file passes the process's gate.
 */
#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "script/bind.h"
#include "script/domain.h"
#include "script/task.h"

#define READ_MAX (64 << 20) /* bytes, unless told */

/* A path without NUL bytes. */
static const char *check_path(lua_State *L)
{
    size_t n;
    const char *path = luaL_checklstring(L, 1, &n);
    luaL_argcheck(L, n > 0 && strlen(path) == n, 1, "a path is not empty and holds no NUL byte");
    return path;
}

static int outcome(lua_State *L, int rc, const struct err *e, const char *source)
{
    if (rc != 0) {
        return push_err(L, rc, e->message, source, "no");
    }
    lua_pushboolean(L, true);
    return 1;
}

static int fail_errno(lua_State *L, const char *path, const char *source)
{
    struct err e;
    int number = errno;
    int rc = err_set_errno(&e, number == ENOENT ? ERR_NOTFOUND : ERR_IO, number, "%s", path);
    return push_err(L, rc, e.message, source, "no");
}

static int l_read(lua_State *L)
{
    struct err e;
    const char *path = check_path(L);
    lua_Integer max = luaL_optinteger(L, 2, READ_MAX);
    luaL_argcheck(L, max >= 0, 2, "a size is 0 or more");
    struct str *text = domain_str(L);
    int rc = file_read_all(path, text, (size_t)max, &e);
    if (rc != 0) {
        return push_err(L, rc, e.message, "fs.read", "no");
    }
    domain_str_finish(L, text);
    return 1;
}

static mode_t check_mode(lua_State *L, int arg, lua_Integer otherwise)
{
    lua_Integer mode = luaL_optinteger(L, arg, otherwise);
    luaL_argcheck(L, mode >= 0 && mode <= 0777, arg, "a mode is 0 to 0777");
    return (mode_t)mode;
}

static int l_replace(lua_State *L)
{
    struct err e;
    size_t n;
    const char *path = check_path(L);
    const char *text = luaL_checklstring(L, 2, &n);
    mode_t mode = check_mode(L, 3, 0600);
    struct file_gate *gate = host_of(L)->services.gate;
    return outcome(L, file_replace_through(path, text, n, mode, gate, &e), &e, "fs.replace");
}

static int l_append(lua_State *L)
{
    struct err e;
    struct file f;
    size_t n;
    const char *path = check_path(L);
    const char *text = luaL_checklstring(L, 2, &n);
    int rc = file_append_open_through(&f, path, 0600, host_of(L)->services.gate, &e);
    if (rc == 0) {
        rc = file_append(&f, text, n, &e);
        file_close(&f);
    }
    return outcome(L, rc, &e, "fs.append");
}

/* mkdir(path[, mode]): with its parents, mode 0700; a mode is set on the last one, made or there.
 */
static int l_mkdir(lua_State *L)
{
    struct err e;
    const char *path = check_path(L);
    mode_t mode = check_mode(L, 2, 0700);
    if (!file_gate_open(host_of(L)->services.gate)) {
        return outcome(L, 0, &e, "fs.mkdir");
    }
    int rc = file_make_dirs(path, &e);
    if (rc == 0 && !lua_isnoneornil(L, 2) && chmod(path, mode) != 0) {
        return fail_errno(L, path, "fs.mkdir");
    }
    return outcome(L, rc, &e, "fs.mkdir");
}

/* stat(path[, the link itself]) -> {size, mtime_ms, kind = "file"|"dir"|"other", mode, uid} | nil,
 * err */
static int l_stat(lua_State *L)
{
    struct stat st;
    const char *path = check_path(L);
    if ((lua_toboolean(L, 2) ? lstat(path, &st) : stat(path, &st)) != 0) {
        return fail_errno(L, path, "fs.stat");
    }
    lua_createtable(L, 0, 5);
    domain_set_integer(L, "size", (lua_Integer)st.st_size);
    domain_set_integer(L, "mtime_ms",
                       (lua_Integer)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
    domain_set_string(L, "kind",
                      S_ISREG(st.st_mode)   ? "file"
                      : S_ISDIR(st.st_mode) ? "dir"
                                            : "other");
    domain_set_integer(L, "mode", (lua_Integer)(st.st_mode & 0777));
    domain_set_integer(L, "uid", (lua_Integer)st.st_uid);
    return 1;
}

static int l_chmod(lua_State *L)
{
    const char *path = check_path(L);
    (void)luaL_checkinteger(L, 2);
    mode_t mode = check_mode(L, 2, 0);
    if (file_gate_open(host_of(L)->services.gate) && chmod(path, mode) != 0) {
        return fail_errno(L, path, "fs.chmod");
    }
    lua_pushboolean(L, true);
    return 1;
}

static int l_exists(lua_State *L)
{
    struct stat st;
    lua_pushboolean(L, stat(check_path(L), &st) == 0);
    return 1;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All names into *names, each ended by a NUL. 0, or an errno. */
static int read_names(const char *path, struct str *names, size_t *count)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return errno;
    }
    *count = 0;
    errno = 0;
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0) {
            str_add(names, d->d_name, strlen(d->d_name) + 1);
            (*count)++;
        }
    }
    int number = errno;
    (void)closedir(dir);
    return names->failed ? ENOMEM : number;
}

static int l_list(lua_State *L)
{
    size_t count = 0;
    const char *path = check_path(L);
    struct str *names = domain_str(L);
    errno = read_names(path, names, &count);
    if (errno != 0) {
        return fail_errno(L, path, "fs.list");
    }
    const char **sorted = lua_newuserdatauv(L, (count + 1) * sizeof *sorted, 0);
    const char *p = names->p;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = p;
        p += strlen(p) + 1;
    }
    qsort(sorted, count, sizeof *sorted, by_name);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, sorted[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int l_remove(lua_State *L)
{
    const char *path = check_path(L);
    if (file_gate_open(host_of(L)->services.gate) && remove(path) != 0) {
        return fail_errno(L, path, "fs.remove");
    }
    lua_pushboolean(L, true);
    return 1;
}

static int l_realpath(lua_State *L)
{
    char resolved[4096]; /* PATH_MAX */
    const char *path = check_path(L);
    if (realpath(path, resolved) == NULL) {
        return fail_errno(L, path, "fs.realpath");
    }
    lua_pushstring(L, resolved);
    return 1;
}

static const luaL_Reg functions[] = {
    {"read", l_read},     {"replace", l_replace}, {"append", l_append}, {"mkdir", l_mkdir},
    {"exists", l_exists}, {"list", l_list},       {"remove", l_remove}, {"realpath", l_realpath},
    {"stat", l_stat},     {"chmod", l_chmod},     {NULL, NULL},
};

int luaopen_perigee_fs(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
