// OkHttp as Android apps use it. With "posts" a heartbeat, one in chunks, a form and a logout; with
// "socket" its life: its own pings, an acknowledged frame, a logout, another socket.

import java.io.IOException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import okhttp3.Call;
import okhttp3.EventListener;
import okhttp3.FormBody;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import okhttp3.WebSocket;
import okhttp3.WebSocketListener;
import okio.BufferedSink;
import okio.ByteString;

public class OkHttp {
  static final MediaType JSON = MediaType.get("application/json; charset=utf-8");
  static final AtomicInteger connections = new AtomicInteger();
  static OkHttpClient client;
  static String url;
  static String token;

  public static void main(String[] arguments) throws Exception {
    client =
        new OkHttpClient.Builder()
            .pingInterval(300, TimeUnit.MILLISECONDS)
            .eventListener(
                new EventListener() {
                  @Override
                  public void connectStart(
                      Call call, java.net.InetSocketAddress address, java.net.Proxy proxy) {
                    connections.incrementAndGet();
                  }
                })
            .build();
    url = arguments[1];
    token = arguments[2];
    if (arguments[0].equals("posts")) posts();
    else socket();
    System.exit(0);
  }

  static void posts() throws IOException {
    String home = "{\"device_id\": \"phone\", \"screen\": \"Home\"}";
    post("/api/update-online-status", RequestBody.create(home, JSON));
    post(
        "/api/update-online-status",
        new RequestBody() { // of no known length, so it goes in chunks
          @Override
          public MediaType contentType() {
            return JSON;
          }

          @Override
          public void writeTo(BufferedSink sink) throws IOException {
            sink.writeUtf8("{\"device_id\": \"phone\", ").flush();
            sink.writeUtf8("\"screen\": \"Cart\"}");
          }
        });
    post(
        "/api/update-online-status",
        new FormBody.Builder().add("device_id", "phone").add("screen", "Caf\u00e9 & Bar").build());
    post("/api/logout-status", RequestBody.create("{\"device_id\": \"phone\"}", JSON));
    System.out.println("connections " + connections.get());
  }

  static void post(String path, RequestBody body) throws IOException {
    Request request =
        new Request.Builder()
            .url(url + path)
            .header("Authorization", "Bearer " + token)
            .post(body)
            .build();
    try (Response response = client.newCall(request).execute()) {
      System.out.println(response.code() + " " + response.body().string());
    }
  }

  static void socket() throws Exception {
    Talk first = new Talk(token);
    first.tell();
    Thread.sleep(1000); // three pings: OkHttp fails the socket where one is not answered
    first.socket.send("{\"id\": 1, \"device_id\": \"phone\", \"screen\": \"Home\"}");
    first.tell();
    first.socket.send("{\"type\": \"logout\", \"id\": 2}");
    first.tell();
    first.tell();
    Talk second = new Talk(token);
    second.tell();
    second.socket.send(ByteString.of((byte) 0, (byte) 1));
    second.tell();
    Talk third = new Talk(token);
    third.tell();
    third.socket.close(1000, null);
    third.tell();
    new Talk("nobody").tell();
  }

  static class Talk extends WebSocketListener {
    final BlockingQueue<String> heard = new LinkedBlockingQueue<>();
    final WebSocket socket;

    Talk(String bearer) {
      Request request =
          new Request.Builder().url(url).header("Authorization", "Bearer " + bearer).build();
      socket = client.newWebSocket(request, this);
    }

    /** The next thing that happened, on a line. */
    void tell() throws InterruptedException {
      System.out.println(heard.poll(60, TimeUnit.SECONDS));
    }

    @Override
    public void onMessage(WebSocket socket, String text) {
      heard.add(text);
    }

    @Override
    public void onClosing(WebSocket socket, int code, String reason) {
      socket.close(code, null);
    }

    @Override
    public void onClosed(WebSocket socket, int code, String reason) {
      heard.add("closed " + code);
    }

    @Override
    public void onFailure(WebSocket socket, Throwable failure, Response response) {
      heard.add("failed " + (response == null ? failure.toString() : response.code()));
    }
  }
}
