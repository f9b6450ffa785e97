// SPDX-License-Identifier: Apache-2.0

// Package uci reads the text grammar of OpenWrt's UCI configuration files, with line numbers.
//
// It writes nothing and knows no option of ours. What it accepts it understands as libuci does
// when that loads a file (the C library behind the uci command, LuCI and the init scripts), so
// that all of them see the same configuration:
//
//	package NAME                 the name is kept, and has no other effect
//	config TYPE [NAME]           a section; one that was there before goes on
//	option NAME VALUE            replaces what the option was; an empty value does nothing
//	list NAME VALUE              adds to the list; an option that was there becomes its first entry
//
// The four words may be cut to their first letter. A word is any row of plain characters, 'single
// quoted' pieces, in which nothing is special, and "double quoted" ones, in which a backslash takes
// away the meaning of the next character. Quoted pieces may go on over several lines; a backslash
// at the end of a line joins it with the next. # begins a comment, even in the middle of a plain
// word. A ; between spaces separates statements on one line.
//
// It is stricter than libuci in five places, where that is silent about a mistake: it refuses NUL
// bytes, text longer than MaxSize, a ; right after a plain word if more than a comment follows
// (libuci ignores the rest of such a line), a second package, and it never takes the names that
// libuci makes up for anonymous sections (cfg0123ab) for those sections.
//
// It is not meant for other programs.
package uci
