// SPDX-License-Identifier: Apache-2.0

// Package foreign translates the configurations of other port knockers to Latchkey's: knockd.conf and
// the UCI file of knockd, fwknopd's access.conf and its UCI file, and the fwknop client's .fwknoprc.
//
// It runs nothing and opens no files by itself. What has no counterpart becomes a comment with the
// reason. Keys appear in the option key and nowhere else: in no comment, and in no error.
//
// It is not meant for other programs.
package foreign
