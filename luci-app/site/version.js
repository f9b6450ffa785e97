// SPDX-License-Identifier: Apache-2.0

// Which version is installed, and which one its host has. A version is the SHA-256 of the page, in hexadecimal.

import { fetchFile, fetchNew, install, keep, kept } from './files.js';

const hex = bytes => Array.from(new Uint8Array(bytes), b => b.toString(16).padStart(2, '0')).join('');
const versionOf = async answer => hex(await crypto.subtle.digest('SHA-256', await answer.arrayBuffer()));

/** Resolves when a worker answers for this page's folder, and fails if the browser could not install it. */
async function working() {
	// To register it once more would wait for its host, which an app may not reach.
	if ((await navigator.serviceWorker.getRegistration())?.active) return;
	const { installing: worker } = await navigator.serviceWorker.register('worker.js');
	if (worker) await new Promise((done, fail) => {
		worker.onstatechange = () => {
			if (worker.state === 'activated') done();
			if (worker.state === 'redundant') fail(Error('the worker was not installed'));
		};
	});
}

/** Whether this page came from its host although one is installed, as when a browser is told to reload without its caches. */
export async function cameFromHost() {
	const registration = await navigator.serviceWorker?.getRegistration();
	return !!registration?.active && !navigator.serviceWorker.controller;
}

/** Installs the app where there is none, and returns its version. Fails where the browser keeps nothing. */
export async function installed() {
	await working();
	await install(); // a browser may drop what was kept and not the worker
	return versionOf(await kept('./'));
}

/**
 * Asks the host for its version. Returns undefined where it is the given one, else { version, take }:
 * take() replaces what is installed by just these bytes. Fails where the host cannot be reached.
 */
export async function offered(than) {
	const page = await fetchFile('./'), version = await versionOf(page.clone());
	if (version === than) return undefined;
	const answers = await fetchNew({ './': page });
	return { version, take: () => keep(answers) };
}
