// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';

// What the daemon takes, from its own packages: made by  go test ./luci-app/tests -run Rules -update

return baseclass.extend({
	ON: [ '1', 'on', 'true', 'yes', 'enabled' ], // what switches an option on
	NAME: 32, // bytes of a section's name, at most
	TITLE: 128, // bytes of a title
	PAGE: 1024, // bytes of a page's address
	OPEN_FOR: [ 1, 86400 ], // seconds, least and most, of open_for and max_open
	WITHIN: [ 1, 300 ], // seconds
	SKEW: [ 1, 3600 ], // seconds, of max_skew
	WIDTH4: [ 24, 32 ], // bits
	WIDTH6: [ 48, 128 ], // bits
	DEFAULTS: { 'maxOpen': '1h', 'maxSkew': '90s', 'openFor': '30s', 'within': '15s' }, // what holds where an option is not set
	STEPS: 16, // steps of a sequence
	ECHO: 1452, // bytes of a ping: what fits into one IPv6 packet; the daemon looks at no fragments
	FLAGS: [ 'fin', 'syn', 'rst', 'psh', 'ack', 'urg' ], // of TCP
	FEW_STEPS: 3, // with less a scan may open a sequence by chance
	NEAR: 16, // who finds one port tries those that are closer than this
	PORTS: 32, // ports and ranges of a door
	MOVED: 64, // ports of ranges that lead to others
	STUN_PORTS: 4, // ports of UDP knocks
	SPAN: 6144, // ports in the span of TCP knocks
	FIRST_FREE: 10081, // browsers refuse some ports below (the "bad ports" of Fetch)
	DRAWN: [ 10081, 32767 ], // from where to where ports of knocks are drawn
	WEB: 443, // a second UDP port of knocks, where nothing else has it
	INTERFACES: 16, // that knocks come in at
	INTERFACE_NAME: 15, // characters
	KEY: 32, // bytes
	FWKNOP_KEY: 32, // bytes, at most
	FWKNOP_HMAC: 136, // bytes, at most
	PLACEHOLDERS: [ 'changeme', 'changethis', 'replaceme', 'replacethis', 'placeholder', 'example', 'password', 'secret', 'todo', 'fixme', 'key', 'yourkey', 'mykey', 'secretkey', 'yoursecretkey', 'insertkey', 'hmackey', 'yourhmackey', 'keybase64', 'yourkeybase64', 'base64key', 'hmackeybase64', 'yourhmackeybase64', 'base64hmackey' ], // what stands in examples and fresh files until somebody writes a key there
	SPA_PORT: 62201, // where clients of fwknop send to if nobody tells them
	SERVICES: [ 'ssh', 'sftp', 'http', 'https', 'rdp', 'vnc', 'smb', 'wireguard', 'openvpn' ], // what option service may be, beside none
	IMPORTED: 65536, // bytes of a file that is imported
	KEPT: { 'refused': 128, 'visits': 512 } // how many ends of visits and how many refusals the list of events has
});
