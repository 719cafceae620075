-- Users online by when they came, the latest first: an order that stays while people use the app.
CREATE INDEX presence_online_by_since ON presence (online_since DESC, user_id)
    WHERE state <> 'offline';
