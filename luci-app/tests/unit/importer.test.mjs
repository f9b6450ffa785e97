// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load, words, without } from '../lib/modules.mjs';

const need = load();
const imported = need('latchkey.imported'), importer = need('latchkey.importer');
const plain = sections => JSON.parse(JSON.stringify(sections));

const ANSWER = `# Translated from knockd.conf. Look it through; then option enabled '1' in section main switches it on.
# A door of the router serves IPv4 and IPv6.
config latchkey 'main'
	option spa_port '62201'
	option enabled '0'
# This is the file of a client.

# [options]
#   UseSyslog   (no counterpart)

# [ssh] in line 3
#   start_command = /usr/sbin/iptables -A INPUT
config door 'tcp22'
	list proto 'tcp'
	option title 'it'\\''s "mine"'
	option port '22'

config sequence 'ssh'
	list step '4021/tcp'
	list step '5177/tcp'
	option enabled '0'
	list door 'tcp22'

# [mail] in line 9
# Latchkey refuses this:
#   too short

# Sections that were read:
#   usable as it is: 1
#   not translated: 1
`;

test('an answer is read part by part, with what it was, what it becomes and why not', () => {
	const r = imported.parse(ANSWER);

	assert.equal(r.from, 'knockd.conf');
	assert.deepEqual(r.about, [ 'A door of the router serves IPv4 and IPv6.', 'This is the file of a client.' ]);
	assert.deepEqual(r.counts, [ [ 'usable as it is', 1 ], [ 'not translated', 1 ] ]);
	assert.deepEqual(r.groups.map(g => [ g.title, g.notes, g.sections.map(s => s.name) ]), [
		[ '[options]', [ 'UseSyslog   (no counterpart)' ], [] ],
		[ '[ssh] in line 3', [ 'start_command = /usr/sbin/iptables -A INPUT' ], [ 'tcp22', 'ssh' ] ],
		[ '[mail] in line 9', [ 'Latchkey refuses this:', 'too short' ], [] ] ]);
	assert.deepEqual(plain(imported.usable(r.sections, [])), [
		{ type: 'door', name: 'tcp22', options: { proto: [ 'tcp' ], title: 'it\'s "mine"', port: '22' } },
		{ type: 'sequence', name: 'ssh', options: { step: [ '4021/tcp', '5177/tcp' ], enabled: '0', door: [ 'tcp22' ] } } ]);
});

test('of section main only the port of fwknop packets is taken: nothing that runs is switched off', () => {
	assert.deepEqual(imported.needs(imported.parse(ANSWER).sections), { spa_port: '62201' });
	assert.ok(imported.usable(imported.parse(ANSWER).sections, []).every(s => s.type != 'latchkey'));
});

test('words are those of UCI', () => {
	for (const [ line, value ] of [ [ 'option title a\\ b', 'a b' ], [ 'option title "a \\"b\\" \'c\'"', 'a "b" \'c\'' ], [ 'option title \'\'', '' ], [ 'option title \'# no comment\'', '# no comment' ],
		[ 'option\ttitle  a\'b\'"c"', 'abc' ], [ 'option title \'not ended', 'not ended' ] ])
		assert.equal(imported.parse('config door \'d\'\n' + line).sections[0].options.title, value, line);
});

test('names that are taken are not used again, and references follow', () => {
	const r = imported.usable(imported.parse(ANSWER).sections, [ 'tcp22', 'tcp22_2', 'ssh' ]);

	assert.deepEqual(r.map(s => [ s.name, s.options.door ]), [ [ 'tcp22_3', undefined ], [ 'ssh_2', [ 'tcp22_3' ] ] ]);
});

test('hostile names of sections and options are left out', () => {
	const r = imported.parse('config door \'__proto__\'\n\toption __proto__ \'x\'\n\toption constructor \'y\'\nconfig door \'<img>\'\nconfig zone \'wan\'\nconfig door\nconfig client \'constructor\'\n\tlist door \'__proto__\'\n');
	const kept = imported.usable(r.sections, []);

	assert.deepEqual(kept.map(s => s.name), [ '__proto__', 'constructor' ]);
	assert.equal({}.x, undefined);
	assert.deepEqual(kept[1].options.door, [ '__proto__' ]);
});

test('a long answer is read in no time to speak of', () => {
	const many = Array.from({ length: 20000 }, (_, i) => `\n# [k${i}] in line ${i}\n#   ${'"'.repeat(50)}\nconfig sequence 'k${i}'\n\tlist step '${i}/tcp'\n`).join('');

	assert.equal(imported.parse(many).groups.length, 20000);
});

test('a file of any editor is text, a picture is none', () => {
	const bytes = (...b) => new Uint8Array(b);

	assert.equal(importer.decode(new TextEncoder().encode('# für')), '# für');
	assert.equal(importer.decode(bytes(0xef, 0xbb, 0xbf, 0x61)), 'a');
	assert.equal(importer.decode(bytes(0xff, 0xfe, 0x61, 0, 0xfc, 0)), 'aü');
	assert.equal(importer.decode(bytes(0xfe, 0xff, 0, 0x61)), 'a');
	assert.equal(importer.decode(bytes(0x66, 0xfc, 0x72)), 'für');
	assert.throws(() => importer.decode(bytes(0x89, 0x50, 0x4e, 0x47, 0, 0)), /no text file/);
});

test('every outcome of the daemon has words', { skip: without(words('outcome')) }, () => {
	assert.deepEqual(words('outcome'), Object.keys(importer.OUTCOMES));
});

test('what a translation says of itself is found by the daemon’s words', { skip: without(words('comment')) }, () => {
	const [ head, counts, count ] = words('comment');
	const found = imported.parse([ head.replace('%s', 'knockd.conf'), '', counts, count.replace('%s', 'not translated').replace('%d', '2') ].join('\n'));

	assert.equal(found.from, 'knockd.conf');
	assert.deepEqual(plain(found.counts), [ [ 'not translated', 2 ] ]);
});
