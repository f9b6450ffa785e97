// SPDX-License-Identifier: Apache-2.0

// Drives Debian's WebKitGTK, the nearest to Safari that runs here, by W3C WebDriver. It has no headless mode: Xvfb is its
// screen. Debian builds it without WebRTC, and what a page stores ends with the browser.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { writeFileSync } from 'node:fs';
import { ended, findProgram, startTime, until } from './process.mjs';

/** The driver's program, or '' where that or its screen is missing. */
export const webkitProgram = () => findProgram('Xvfb') && findProgram('WebKitWebDriver');

/** A port of loopback that is free. */
const freePort = () => new Promise(done => {
	const server = createServer().listen(0, '127.0.0.1', () => {
		const { port } = server.address();
		server.close(() => done(port));
	});
});

/** Starts a screen, and returns its process and its name. */
async function startScreen(width, height) {
	const child = spawn(findProgram('Xvfb'), ['-displayfd', '3', '-nolisten', 'tcp', '-screen', '0', `${width}x${height}x24`], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
	const number = await new Promise((done, fail) => {
		child.stdio[3].once('data', bytes => done(bytes.toString().trim()));
		child.once('error', fail).once('exit', () => fail(new Error('Xvfb ended')));
	});
	return { child, display: `:${number}` };
}

/** Starts the browser, as open() of browser.mjs. */
export async function webkit(program, profile, { width, height, lang }) {
	const screen = await startScreen(width, height), port = await freePort();
	const driver = spawn(program, [`--port=${port}`], { stdio: 'ignore', env: {
		...process.env, DISPLAY: screen.display, HOME: profile, XDG_RUNTIME_DIR: profile, LANGUAGE: lang, GDK_BACKEND: 'x11', GIO_USE_VFS: 'local', NO_AT_BRIDGE: '1',
		WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1', // tests run in namespaces that allow no further ones
		WEBKIT_DISABLE_COMPOSITING_MODE: '1',
	} });
	driver.on('error', () => {}); // until() tells
	const call = async (method, path, body) => {
		const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body) });
		const { value } = await answer.json();
		if (value?.error) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
		return value;
	};
	await until('the driver of WebKit', () => call('GET', '/status').catch(() => false), startTime);
	const { sessionId } = await call('POST', '/session', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } });
	const tell = (method, path, body) => call(method, `/session/${sessionId}/${path}`, body);
	return {
		run: expression => tell('POST', 'execute/sync', { script: `return (${expression})`, args: [] }),
		async goto(url) {
			await tell('POST', 'url', { url: 'about:blank' });
			await tell('POST', 'url', { url });
		},
		async shot(file) {
			writeFileSync(file, Buffer.from(await tell('GET', 'screenshot'), 'base64'));
		},
		async close() {
			await call('DELETE', `/session/${sessionId}`).catch(() => {});
			for (const child of [driver, screen.child]) {
				child.kill();
				await ended(child);
			}
		},
	};
}
