"""The conversation with a camera, without a socket: descriptions, authentication, refusals, redirections."""

from __future__ import annotations

import base64

import pytest
from camera_wire import ASC, PPS, SPS
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.recorder.ingest import sdp
from understudy.recorder.ingest.auth import Credentials, authorization, parse_challenges
from understudy.recorder.ingest.errors import RETRY_REFUSED_S, CameraError, Redirected
from understudy.recorder.ingest.handshake import Handshake, parse_url
from understudy.recorder.ingest.message import Response, parse_response

PASSWORD = "p@ss:w/rd#1?"
SETS = ",".join(base64.b64encode(unit).decode() for unit in (SPS, PPS))
SDP = f"""v=0
s=Gate
a=control:*
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; sprop-parameter-sets={SETS}
a=control:trackID=0
m=audio 0 RTP/AVP 97
a=rtpmap:97 mpeg4-generic/48000/2
a=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={ASC.hex()}
a=control:trackID=1
m=application 0 RTP/AVP 107
a=rtpmap:107 vnd.onvif.metadata/90000
a=control:trackID=2
""".replace("\n", "\r\n").encode()


def answer(request: bytes, status: str = "200 OK", body: bytes = b"", **headers: str) -> Response:
    sequence = parse_request(request)["cseq"]
    lines = [f"RTSP/1.0 {status}", f"CSeq: {sequence}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return parse_response("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def parse_request(request: bytes) -> dict[str, str]:
    first, *rest = request.decode().strip().split("\r\n")
    method, uri, _ = first.split(" ")
    return {"method": method, "uri": uri} | {k.lower(): v for k, _, v in (line.partition(": ") for line in rest)}


def test_the_conversation_up_to_play() -> None:
    handshake = Handshake(parse_url("rtsp://cam/live"))
    request = handshake.answer(answer(handshake.begin(), Public="OPTIONS, DESCRIBE, GET_PARAMETER"))
    assert parse_request(request)["uri"] == "rtsp://cam:554/live"
    request = handshake.answer(answer(request, body=SDP, Content_Base="rtsp://cam:554/live/"))
    assert parse_request(request)["uri"] == "rtsp://cam:554/live/trackID=0"
    request = handshake.answer(answer(request, Session="abc;timeout=10", Transport="RTP/AVP/TCP;interleaved=4-5"))
    assert parse_request(request)["session"] == "abc"
    request = handshake.answer(answer(request, Transport="RTP/AVP/TCP;unicast;interleaved=2-3"))
    assert parse_request(request)["method"] == "PLAY"
    assert handshake.answer(answer(request)) is None
    assert handshake.playing
    assert [(stream.kind, stream.channel) for stream in handshake.streams] == [("video", 4), ("audio", 2)]
    assert handshake.streams[0].parameter_sets == (SPS, PPS)
    assert handshake.timeout_s == 10
    keep_alive = handshake.keep_alive()
    assert parse_request(keep_alive)["method"] == "GET_PARAMETER"
    handshake.answer(answer(keep_alive, "501 Not Implemented"))
    assert parse_request(handshake.keep_alive())["method"] == "OPTIONS"
    assert parse_request(handshake.teardown())["method"] == "TEARDOWN"


def refused(request: dict[str, str], *challenges: str) -> Response:
    lines = "".join(f"WWW-Authenticate: {value}\r\n" for value in challenges)
    return parse_response(f"RTSP/1.0 401 Unauthorized\r\nCSeq: {request['cseq']}\r\n{lines}\r\n".encode())


def challenged(*values: str) -> tuple[Handshake, dict[str, str]]:
    handshake = Handshake(parse_url("rtsp://cam/live", "viewer", PASSWORD))
    request = handshake.answer(refused(parse_request(handshake.begin()), *values))
    assert request is not None
    assert PASSWORD.encode() not in request
    return handshake, parse_request(request)


def test_the_strongest_challenge_is_answered() -> None:
    weak = 'Digest realm="cam", nonce="n1", Basic realm="cam"'
    strong = 'Digest realm="cam", nonce="n2", algorithm=SHA-256, qop="auth,auth-int", opaque="o"'
    _, request = challenged(weak, strong)
    assert 'nonce="n2"' in request["authorization"]
    assert "algorithm=SHA-256" in request["authorization"]


def test_basic_is_used_when_there_is_nothing_else() -> None:
    _, request = challenged('Basic realm="cam"')
    assert request["authorization"] == "Basic " + base64.b64encode(f"viewer:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    ("challenge", "response"),
    [  # the example of RFC 7616 3.9.1
        ('algorithm=MD5, qop="auth"', "8ca523f5e9506fed4657c9700eebdbec"),
        ('algorithm=SHA-256, qop="auth"', "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_is_computed_as_the_standard_says(challenge: str, response: str) -> None:
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    found = parse_challenges([f'Digest realm="http-auth@example.org", nonce="{nonce}", opaque="x", {challenge}'])
    assert found is not None
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    text = authorization(found, Credentials("Mufasa", "Circle of Life"), "GET", "/dir/index.html", cnonce)
    assert f'response="{response}"' in text


def test_a_refused_password_is_said_and_not_tried_again_soon() -> None:
    handshake, request = challenged('Digest realm="cam", nonce="n"')
    with pytest.raises(CameraError, match="refuses the user name or password") as caught:
        handshake.answer(refused(request, 'Digest realm="cam", nonce="m"'))
    assert caught.value.retry_s == RETRY_REFUSED_S
    assert PASSWORD not in str(caught.value)


def test_a_stale_nonce_is_no_refusal() -> None:
    handshake, request = challenged('Digest realm="cam", nonce="n"')
    stale = refused(request, 'Digest realm="cam", nonce="m", stale=true')
    assert b'nonce="m"' in (handshake.answer(stale) or b"")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [("404 Not Found", "no stream at this path"), ("453 Not Enough Bandwidth", "no bandwidth or session"),
     ("503 Service Unavailable", "busy"), ("418 Teapot", r"refuses DESCRIBE \(418 Teapot\)")],
)  # fmt: skip
def test_refusals_are_sentences(status: str, sentence: str) -> None:
    handshake = Handshake(parse_url("rtsp://cam/live"))
    request = handshake.answer(answer(handshake.begin()))
    with pytest.raises(CameraError, match=sentence):
        handshake.answer(answer(request, status))


def test_a_redirection_keeps_the_password_from_basic_on_another_host() -> None:
    handshake = Handshake(parse_url("rtsp://cam/live"))
    with pytest.raises(Redirected) as caught:
        handshake.answer(answer(handshake.begin(), "302 Moved", Location="rtsp://other:8554/live"))
    target = parse_url("rtsp://cam/live", "viewer", PASSWORD).redirected(caught.value.url)
    assert (target.host, target.port, target.basic) == ("other", 8554, False)
    with pytest.raises(CameraError, match="rtsp://HOST"):
        target.redirected("http://other/")


def test_a_redirection_out_of_tls_keeps_the_password_from_basic() -> None:
    target = parse_url("rtsps://cam/live", "viewer", PASSWORD)
    assert (target.port, target.tls, target.uri) == (322, True, "rtsps://cam:322/live")
    assert not target.redirected("rtsp://cam/live").basic
    assert target.redirected("rtsps://cam:8322/live").basic


def test_a_header_of_the_camera_brings_no_second_line_into_our_requests() -> None:
    handshake = Handshake(parse_url("rtsp://cam/live"))
    request = handshake.answer(answer(handshake.begin()))
    request = handshake.answer(answer(request, body=SDP, Content_Base="rtsp://cam/\nEvil: yes\n\n/"))
    assert b"\nEvil" not in (request or b"")


def test_credentials_in_the_url_are_decoded_once_and_never_shown() -> None:
    target = parse_url("rtsp://viewer:p%40ss%3Aw%2Frd%231%3F@[fd00::1]:8554/a?b=c")
    assert target.credentials == Credentials("viewer", PASSWORD)
    assert target.uri == "rtsp://[fd00::1]:8554/a?b=c"
    assert PASSWORD not in repr(target)


@pytest.mark.parametrize(("encoding", "shown"), [("VP8/90000", "VP8"), ("JPEG/90000", "JPEG")])
def test_an_unsupported_codec_is_named(encoding: str, shown: str) -> None:
    document = SDP.replace(b"H264/90000", encoding.encode())
    with pytest.raises(CameraError, match=f"video codec {shown} is not supported"):
        sdp.choose(sdp.parse(document))


def test_h265_and_its_parameter_sets_are_chosen() -> None:
    vps, sps, pps = (base64.b64encode(bytes((kind << 1, 1, 7))).decode() for kind in (32, 33, 34))
    h265 = f"a=rtpmap:96 H265/90000\r\na=fmtp:96 sprop-vps={vps}; sprop-sps={sps};sprop-pps={pps},{vps}\r\n".encode()
    document = b"m=video 0 RTP/AVP 96\r\n" + h265
    (stream,) = sdp.choose(sdp.parse(document))
    assert stream.codec == "h265"
    assert [unit[0] >> 1 for unit in stream.parameter_sets] == [32, 33, 34, 32]
    with pytest.raises(CameraError, match="out of order"):
        sdp.choose(sdp.parse(document.replace(b"sprop-vps", b"sprop-max-don-diff=2;sprop-vps")))


@pytest.mark.parametrize(
    ("lines", "codec", "clock_rate"),
    [
        ("m=audio 0 RTP/AVP 0\r\n", "pcmu", 8000),
        ("m=audio 0 RTP/AVP 8\r\n", "pcma", 8000),
        ("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 PCMA/16000/1\r\n", "pcma", 16_000),
    ],
)
def test_g711_is_chosen_with_and_without_a_name(lines: str, codec: str, clock_rate: int) -> None:
    document = SDP[: SDP.index(b"m=audio")] + lines.encode()
    sound = sdp.choose(sdp.parse(document))[1]
    assert (sound.codec, sound.clock_rate, sound.channels) == (codec, clock_rate, 1)


def test_other_sound_is_left_out_and_no_video_is_an_error() -> None:
    document = SDP.replace(b"mpeg4-generic/48000/2", b"G726-32/8000")
    assert [stream.kind for stream in sdp.choose(sdp.parse(document))] == ["video"]
    with pytest.raises(CameraError, match="no video"):
        sdp.choose(sdp.parse(b"v=0\r\n"))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(SDP.split(b"\r\n")), max_size=20).map(b"\n".join)))
def test_any_description_is_read_or_refused(document: bytes) -> None:
    try:
        sdp.choose(sdp.parse(document))
    except CameraError:
        return


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.integers(100, 599), st.binary(max_size=60))
def test_any_answer_is_taken_or_refused(value: str, status: int, body: bytes) -> None:
    handshake = Handshake(parse_url("rtsp://cam/live", "u", "p"))
    request = handshake.begin()
    headers = (("cseq", parse_request(request)["cseq"]), ("www-authenticate", value), ("location", value),
               ("session", value), ("transport", value), ("content-base", value))  # fmt: skip
    try:
        for _ in range(6):
            if request:
                headers = (("cseq", parse_request(request)["cseq"]), *headers[1:])
            request = handshake.answer(Response(status, value, headers, body or SDP)) or b""
    except (CameraError, Redirected):
        pass
