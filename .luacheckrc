std = "lua54"
max_line_length = 120
exclude_files = { "lua/perigee/meta" } -- type stubs: declarations without bodies
files["tests/lua"] = { std = "lua54+busted" }
