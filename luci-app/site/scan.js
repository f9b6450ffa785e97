// SPDX-License-Identifier: Apache-2.0

// From a camera or a picture to the text of a QR code.

import decodeQR from 'qr/decode.js';

// A code of 500 characters has 77 modules a side: 4 pixels for each, and the code a third of the picture.
const videoSize = 960; // pixels of the longer side
const pictureSizes = [960, 1920]; // a photograph has much around the code

/**
 * Makes a function that returns the text of the QR code in what can be drawn, or ''. It has one canvas for all that it looks
 * at: iPhones give a page little memory for them.
 */
function makeReader() {
	const canvas = document.createElement('canvas'), context = canvas.getContext('2d', { willReadFrequently: true });
	return (source, width, height, size, effort) => {
		const scale = Math.min(1, size / Math.max(width, height));
		canvas.width = Math.round(width * scale);
		canvas.height = Math.round(height * scale);
		context.drawImage(source, 0, 0, canvas.width, canvas.height);
		try {
			return decodeQR(context.getImageData(0, 0, canvas.width, canvas.height), effort);
		} catch { // there is none
			return '';
		}
	};
}

/** Returns the text of the QR code in a picture of a file, or ''. Fails where it is no picture. */
export async function textOfPicture(file) {
	const picture = await createImageBitmap(file), textIn = makeReader();
	for (const size of pictureSizes) {
		const text = textIn(picture, picture.width, picture.height, size, { effort: Infinity, timeLimit: 2_000 });
		if (text) return text;
	}
	return '';
}

/**
 * Shows the camera in a video element and calls seen(text) for each picture that has a code in it, until the signal
 * is aborted. Fails where there is no camera, or none is allowed: see getUserMedia for the names of its errors.
 */
export async function watchCamera(video, seen, signal) {
	const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1280 }, height: { ideal: 720 } } });
	const stop = () => stream.getTracks().forEach(track => track.stop());
	if (signal.aborted) return stop(); // while the browser was asking
	signal.addEventListener('abort', stop);
	video.srcObject = stream;
	await video.play();
	const textIn = makeReader();
	const look = () => {
		if (signal.aborted) return;
		// It has no size before its first picture.
		const text = video.videoWidth && textIn(video, video.videoWidth, video.videoHeight, videoSize);
		if (text) seen(text);
		setTimeout(look, 100); // ms; leaves the phone time for the picture itself
	};
	look();
}
