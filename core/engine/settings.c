/* SPDX-License-Identifier: MIT
 *
 * Effective values of the configuration, copied out of Lua as texts, found by "section.key".
 */
#include "engine/settings.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct settings {
    struct map *index; /* key -> offset + 1 in text */
    struct str text;   /* NUL-terminated values, one after the other */
};

static int collect(struct settings *s, lua_State *L, struct err *e)
{
    int table = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        size_t key_size, value_size;
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            return err_set(e, ERR_FAILED,
                           "the configuration policy returned something else than texts");
        const char *key = lua_tolstring(L, -2, &key_size);
        const char *value = lua_tolstring(L, -1, &value_size);
        uint64_t offset = s->text.len + 1;
        str_add(&s->text, value, value_size);
        str_addc(&s->text, '\0');
        if (s->text.failed || map_put(s->index, key, key_size, offset))
            return err_set(e, ERR_NOMEM, "out of memory while reading the configuration");
        lua_pop(L, 1);
    }
    return 0;
}

/* Protected: argument 1 is the file or nil, the rest are overrides; returns the flat table. */
static int resolve(lua_State *L)
{
    int count = lua_gettop(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "perigee.config");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "resolve");
    lua_pushvalue(L, 1);
    lua_createtable(L, count, 0);
    for (int i = 2; i <= count; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i - 1);
    }
    lua_call(L, 2, 2); /* flat table, or nil and the sentence */
    return 2;
}

int settings_load(struct settings **out, struct host *h, const char *file,
                  const char *const *overrides, size_t count, struct err *e)
{
    lua_State *L = h->L;
    int top = lua_gettop(L), rc;
    if (!lua_checkstack(L, (int)count + 8))
        return err_set(e, ERR_NOMEM, "out of memory while reading the configuration");
    lua_pushcfunction(L, resolve);
    if (file)
        lua_pushstring(L, file);
    else
        lua_pushnil(L);
    for (size_t i = 0; i < count; i++)
        lua_pushstring(L, overrides[i]);
    if (lua_pcall(L, 1 + (int)count, 2, 0) != LUA_OK) {
        const char *why = lua_tostring(L, -1);
        rc = err_set(e, ERR_FAILED, "%s", why ? why : "the configuration policy failed");
        lua_settop(L, top);
        return rc;
    }
    if (!lua_istable(L, -2)) {
        const char *why = lua_tostring(L, -1);
        rc = err_set(e, ERR_INPUT, "%s", why ? why : "the configuration is wrong");
        lua_settop(L, top);
        return rc;
    }
    struct settings *s = calloc(1, sizeof *s);
    if (s && !(s->index = map_new())) {
        free(s);
        s = NULL;
    }
    if (!s) {
        lua_settop(L, top);
        return err_set(e, ERR_NOMEM, "out of memory while reading the configuration");
    }
    str_init(&s->text);
    lua_pop(L, 1);
    rc = collect(s, L, e);
    lua_settop(L, top);
    if (rc) {
        settings_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void settings_free(struct settings *s)
{
    if (!s)
        return;
    map_free(s->index);
    str_fini(&s->text);
    free(s);
}

const char *settings_text(const struct settings *s, const char *key, const char *fallback)
{
    uint64_t offset;
    if (!map_get(s->index, key, strlen(key), &offset))
        return fallback;
    return s->text.p + offset - 1;
}

int64_t settings_int(const struct settings *s, const char *key, int64_t fallback)
{
    const char *text = settings_text(s, key, NULL);
    return text ? (int64_t)strtoll(text, NULL, 10) : fallback;
}
