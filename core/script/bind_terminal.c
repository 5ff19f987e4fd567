/* SPDX-License-Identifier: MIT
 *
 * perigee.terminal: questions to the person at the terminal. Asking blocks the process: it is for
 * tools that have nothing else to do. Keys are read one by one, without the terminal's own line
 * editing, so that a secret is never shown and Ctrl-C is an answer instead of a signal in the
 * middle of a terminal that echoes nothing; the terminal is put back whatever the answer is.
 */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "script/bind.h"
#include "script/task.h"

enum { MOST = 1024, CTRL_C = 3, CTRL_D = 4, BELL = 7, BACKSPACE = 8, CTRL_U = 21, DELETE = 127 };

enum outcome { ANSWERED, INTERRUPTED, ENDED, TOO_LONG };

static void show(const char *text, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, text, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* a prompt that nobody sees changes nothing */
        text += done;
        n -= (size_t)done;
    }
}

/* Takes the last character off, which may be several bytes of UTF-8. */
static size_t shorter(const char *text, size_t n)
{
    while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
        n--;
    return n > 0 ? n - 1 : 0;
}

static enum outcome read_line(char *text, size_t *count, bool echo)
{
    size_t n = 0;
    for (;;) {
        char c;
        ssize_t got = read(STDIN_FILENO, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || (c == CTRL_D && n == 0))
            return ENDED;
        if (c == CTRL_C)
            return INTERRUPTED;
        if (c == '\n' || c == '\r')
            break;
        if (c == DELETE || c == BACKSPACE) {
            if (n > 0 && echo)
                show("\b \b", 3);
            n = shorter(text, n);
        } else if (c == CTRL_U) {
            for (; n > 0; n = shorter(text, n))
                if (echo)
                    show("\b \b", 3);
        } else if ((unsigned char)c >= ' ') {
            if (n == MOST)
                return TOO_LONG;
            text[n++] = c;
            if (echo)
                show(&c, 1);
        }
    }
    *count = n;
    return ANSWERED;
}

/* interactive() -> boolean: is there a person to ask? */
static int l_interactive(lua_State *L)
{
    lua_pushboolean(L, isatty(STDIN_FILENO) && isatty(STDERR_FILENO));
    return 1;
}

/* Forgets a secret in a way that the compiler keeps. */
static void wipe(char *text, size_t n)
{
    volatile char *p = text;
    while (n--)
        *p++ = 0;
}

/* ask(prompt, echo) -> text | nil, err */
static int l_ask(lua_State *L)
{
    static const char *const words[] = {"", "the question was interrupted",
                                        "the terminal has no answer", "the answer is too long"};
    size_t prompt_size, n = 0;
    char text[MOST];
    struct termios before, now;
    const char *prompt = luaL_checklstring(L, 1, &prompt_size);
    bool echo = lua_toboolean(L, 2);
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return push_err(L, ERR_INPUT, "there is no terminal to ask at", "terminal.ask", "no");
    now = before;
    now.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG | IEXTEN);
    now.c_cc[VMIN] = 1;
    now.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &now) != 0)
        return push_err(L, ERR_IO, "the terminal's echo cannot be switched off", "terminal.ask",
                        "no");
    show(prompt, prompt_size);
    enum outcome outcome = read_line(text, &n, echo);
    show("\n", 1);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    if (outcome != ANSWERED) {
        wipe(text, sizeof text);
        return push_err(L, outcome == TOO_LONG ? ERR_INPUT : ERR_CANCELLED, words[outcome],
                        "terminal.ask", "no");
    }
    lua_pushlstring(L, text, n);
    wipe(text, sizeof text);
    return 1;
}

static const luaL_Reg functions[] = {{"interactive", l_interactive}, {"ask", l_ask}, {NULL, NULL}};

int luaopen_perigee_terminal(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
