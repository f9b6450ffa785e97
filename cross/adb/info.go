// SPDX-License-Identifier: Apache-2.0

package adb

// Fields of a package's description, in its own file and in an index. The
// numbers are those of apk_adb.h of apk-tools; what is not here, nothing of
// ours has.
const (
	InfoName          = 1
	InfoVersion       = 2
	InfoHashes        = 3 // in a package its ID, in an index the SHA-256 of its database
	InfoDescription   = 4
	InfoArch          = 5
	InfoLicense       = 6
	InfoOrigin        = 7
	InfoMaintainer    = 8
	InfoURL           = 9
	InfoInstalledSize = 12 // bytes
	InfoFileSize      = 13 // bytes; in an index only
	InfoDepends       = 15 // a list of objects, of which the first field is a name
	InfoTags          = 21

	InfoFields = 22
)

// IDSize is the bytes of what a package has as its own hash: the SHA-256, cut
// off, of its database with zeros in that place.
const IDSize = 20

// Fields of a package's scripts.
const (
	ScriptPostInstall   = 3
	ScriptPreDeinstall  = 4
	ScriptPostDeinstall = 5
	ScriptPostUpgrade   = 7

	ScriptFields = 8
)

// Fields of the root of a package and of an index.
const (
	PackageInfo    = 1
	PackagePaths   = 2
	PackageScripts = 3

	IndexDescription = 1
	IndexPackages    = 2
)
