// SPDX-License-Identifier: Apache-2.0

// Writes pictures of the knock page at phone size to build/screenshots (or the folder that is named):
//
//   node screenshots.mjs [FOLDER]
//
// The router is this machine's loopback address in a namespace of its own, where a door's port drops what comes until it is knocked at.

import { execFileSync, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import http from 'node:http';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open, until } from './browser.mjs';
import { busy, pageFile, pageURL, said, tap, visit } from './page.mjs';

if (!process.env.LATCHKEY_SHOTS) {
	const again = ['--map-root-user', '--net', process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
	process.exit(spawnSync('unshare', again, { stdio: 'inherit', env: { ...process.env, LATCHKEY_SHOTS: 'inside' } }).status ?? 1);
}
const folder = process.argv[2] ?? fileURLToPath(new URL('../../build/screenshots', import.meta.url));
const link = '#v=1&n=Home&a=127.0.0.1&u=41641&p=20480&k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&d=nas_ssh,camera,vpn' +
	'&i=nas_ssh:tcp:2222:ssh:SSH%20of%20the%20NAS&i=camera:tcp:8443:https:Garden%20camera&i=vpn:udp:51820::VPN&t=nas_ssh:600:3600&t=camera:600:3600';
const cabin = '#v=1&n=Cabin&a=127.0.0.2&u=41641&k=BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&d=heating&i=heating:tcp:8080:http:Heating';

const run = (program, ...args) => execFileSync(program, args);
const rules = (...ports) => run('nft', `flush ruleset; table inet t { chain in { type filter hook input priority 0; iif lo tcp dport { ${ports.join(', ')} } drop; }; }`);
// Without another device than lo it would be offline.
for (const line of ['link set lo up', 'link add net0 type veth peer name net1', 'address add 192.168.1.20/24 dev net0', 'link set net0 up', 'link set net1 up', 'route add default dev net0']) run('ip', ...line.split(' '));
const ssh = createServer(c => c.on('error', () => {}).end('SSH-2.0-picture\r\n')).listen(2222, '127.0.0.1');

const page = http.createServer((_, reply) => reply.setHeader('Content-Type', 'text/html').end(readFileSync(pageFile))).listen(80, '127.0.0.1');

mkdirSync(folder, { recursive: true });
for (const [name, dark, lang] of [['light', false, 'en'], ['dark', true, 'en'], ['dark-de', true, 'de']]) {
	const browser = await open('chromium', { dark, lang });
	const shot = async what => {
		await browser.run('Promise.all(document.getAnimations().filter(a => a.effect.getComputedTiming().iterations === 1).map(a => a.finished)).then(() => 0)');
		await browser.shot(join(folder, `page-${name}-${what}.png`));
	};
	const idle = () => until('the end of the knock', async () => !await browser.run(busy), 30_000);
	try {
		rules(2222, 8443, 26624);
		await browser.goto(pageURL);
		await shot('empty');
		await visit(browser, pageURL, link.slice(0, 60));
		await shot('damaged');
		await visit(browser, pageURL, link);
		await shot('doors');
		await visit(browser, 'http://127.0.0.1/latchkey/', link);
		await shot('save');
		await visit(browser, pageURL, link);
		await until('a second of silence', () => browser.run('routers[0].cards[0].before.door.age() > 1000'));
		await tap(browser, 'nas_ssh');
		rules(8443, 26624);
		await until('the door', async () => (await said(browser, 'nas_ssh')).open);
		await idle();
		await shot('open');
		await tap(browser, 'camera');
		await idle();
		await shot('silent');
		rules(1);
		await tap(browser, 'camera');
		await idle();
		await shot('refuses');
		await visit(browser, pageURL, cabin);
		await shot('routers');
	} finally {
		await browser.close();
	}
}
ssh.close();
page.close();
